// Pickles that Python would never write, inside archives that are right in every other way.
#include <gtest/gtest.h>

#include "io/support/pickle_writer.h"
#include "io/support/reading.h"
#include "io/support/temporary_folder.h"
#include "io/support/zip_writer.h"
#include "io/weights_file.h"

namespace xattn::testing {
namespace {

using namespace pickles;
using namespace std::string_literals;

class HostilePickle : public ::testing::Test {
 protected:
  void expect(const std::string& body, const std::string& reason) {
    expect_pickle(program(body), reason);
  }
  void expect_pickle(const std::string& pickle, const std::string& reason) {
    expect_refused(write_bytes(folder_ / "file.pt", make_archive(pickle, {kStorage})), reason);
  }
  void expect_tensor(const Tensor& parts, const std::string& reason) {
    expect(dict_of(tensor(parts)), reason);
  }

  TemporaryFolder folder_;
};

TEST_F(HostilePickle, TheWriterOfTheseTestsWritesGoodOnes) {
  read_everything(
      write_bytes(folder_ / "file.pt", make_archive(program(dict_of(tensor())), {kStorage})));
}

TEST_F(HostilePickle, BrokenPrograms) {
  expect_pickle("", "expected 1 more bytes");
  expect_pickle("}.", "protocol 2 or later");
  expect_pickle("\x80\x01}.", "protocol 2 to 5, got 1");
  expect_pickle("\x80\x06}.", "protocol 2 to 5, got 6");
  expect_pickle("\x80\x02}", "expected 1 more bytes");
  expect_pickle("\x80\x02}.}", "bytes follow the end");
  expect("", "expected one value at the end");
  expect("}}", "expected one value at the end");
  expect("(}", "expected one value at the end");
  expect("\xff", "opcode 0xff is not one");
  expect("0", "opcode 0x30 is not one");          // POP
  expect("Fnan\n", "opcode 0x46 is not one");     // FLOAT, protocol 0
  expect("(dicos\nsystem\n", "is not one that");  // DICT, then INST
  expect("\x82\x01", "opcode 0x82 is not one");   // EXT1
  expect("\x92", "opcode 0x92 is not one");       // NEWOBJ_EX
}

TEST_F(HostilePickle, StackUnderflow) {
  expect("t", "expected a mark");
  expect("u", "expected a mark");
  expect("R", "empty stack");
  expect("Q", "empty stack");
  expect("b", "empty stack");
  expect("q\1", "empty stack");
  expect("\x85", "empty stack");
  expect("}(\x86", "empty stack");  // a tuple across a mark
  expect("}" + text("key") + "(s", "empty stack");
  expect("}(" + text("key") + "u", "a key without a value");
  expect("](" + text("key") + "u", "a key without a value");
  expect("]" + text("key") + "Ns", "SETITEM: expected a dict, got list");
  expect("}Na", "APPEND: expected a list, got dict");
  expect("h\7", "memo entry 7 is not set");
  expect("}r\xff\xff\xff\xff"s, "memo: expected an index below");
  expect("}r\xff\xff\x0f\x00h\1"s, "memo entry 1 is not set");
}

TEST_F(HostilePickle, LengthsBeyondTheEnd) {
  expect("X" + le(0xffffffff, 4), "expected 4294967295 more bytes");
  expect("B" + le(0x7fffffff, 4) + "abc", "more bytes");
  expect("\x8d" + le(~0ull, 8), "more bytes");
  expect("\x8e" + le(1ull << 62, 8), "more bytes");
  expect("\x96" + le(1ull << 40, 8), "more bytes");
  expect("\x95" + le(1ull << 40, 8), "a frame of");
  expect("\x8b" + le(0x7fffffff, 4), "an integer of at most 1024 bytes");
  expect("\x8b" + le(0xffffffff, 4), "an integer of at most 1024 bytes");
  expect("\x8a\x10"s + "abc", "more bytes");
  expect("cos", "ends with a newline");
  expect("c" + std::string(10000, 'a'), "ends with a newline");
}

TEST_F(HostilePickle, GlobalsThatAreNotOnTheList) {
  for (const auto& [module, name] : std::vector<std::pair<std::string, std::string>>{
           {"os", "system"},
           {"posix", "system"},
           {"nt", "system"},
           {"builtins", "eval"},
           {"builtins", "exec"},
           {"builtins", "getattr"},
           {"builtins", "compile"},
           {"__builtin__", "__import__"},
           {"subprocess", "check_output"},
           {"sys", "modules"},
           {"importlib", "import_module"},
           {"operator", "attrgetter"},
           {"functools", "partial"},
           {"pickle", "loads"},
           {"torch", "load"},
           {"torch", "hub"},
           {"torch", "FloatStorage.__class__"},
           {"torch", "_utils._rebuild_tensor_v2"},
           {"torch.jit", "load"},
           {"torch", "os.system"},
           {"collections", "OrderedDict.fromkeys"},
           {"", "eval"},
           {"__torch__", "Model"},
           {"__torch__.a", "Model"},
           {"_codecs", "decode"},
           {"numpy.core.multiarray", "_reconstruct"}}) {
    if (module == "torch" && name == "_utils._rebuild_tensor_v2") continue;  // the same full name
    const std::string reason = "global '" + module + "." + name + "' is not allowed";
    expect(global(module, name), reason);
    expect("(" + text(module) + text(name) + "\x93" + text("touch") + "\x85R", reason);
  }
  expect(global("numpy", "dtype"), "NumPy values are not read");
  expect(global("os", "system"), "save model.state_dict() instead");
  expect("\x93", "empty stack");
  expect("NN\x93", "STACK_GLOBAL: expected two texts");
  expect(global("__torch__.\xff", "Model"), "a global's name is not valid UTF-8");
  // Names are escaped and shortened in the message.
  expect(global("o\x1b[31ms", std::string(3000, 'x')), "o\\x1b[31ms");
}

TEST_F(HostilePickle, CallsOfWhatCannotBeCalled) {
  expect(global("torch", "float32") + ")R", "cannot be called");
  expect(global("torch", "FloatStorage") + "K\1\x85R", "cannot be called");
  expect("N)R", "expected a global to call, got None");
  expect(text("os.system") + text("touch") + "\x85R", "expected a global to call, got str");
  expect(global("collections", "OrderedDict") + "NR", "expected a tuple of arguments");
  expect(global("collections", "OrderedDict") + "K\1\x85R", "1 arguments");
  expect(global("builtins", "set") + "}\x85R", "expected a list, got dict");
  expect(global("torch.jit._pickle", "build_intlist") + ")R", "0 arguments");
  expect(global("torch.Tensor", "") + "\x81", "is not allowed");
  expect(global("torch", "Tensor") + ")\x81", "is not a class of plain values");
  expect("N)\x81", "NEWOBJ: expected a class");
  expect("NNb", "BUILD: expected a dict or a TorchScript object");
  expect("]}b", "BUILD: expected a dict or a TorchScript object");
}

TEST_F(HostilePickle, PersistentIds) {
  expect("NQ", "persistent id");
  expect(")Q", "persistent id");
  expect("(" + text("module") + "NNNNtQ", "persistent id");
  const auto with_storage = [](const std::string& storage) {
    Tensor parts;
    parts.storage = storage;
    return parts;
  };
  expect_tensor(with_storage("N"), "tensor 'weight': expected a storage, got None");
  expect_tensor(with_storage("(" + text("storage") + "NNNNtQ"), "expected a storage class");
  expect_tensor(with_storage("(" + text("storage") + global("torch", "float32") + text("0") +
                             text("cpu") + integer(4) + "tQ"),
                "expected a storage class");
  expect_tensor(with_storage(storage("FloatStorage", "1", 4)), "zip entry 'data/1', got none");
  expect_tensor(with_storage(storage("FloatStorage", "../version", 4)), "got none");
  expect_tensor(with_storage(storage("FloatStorage", "0", 5)),
                "expected int 5 elements of float32");
  expect_tensor(with_storage(storage("FloatStorage", "0", 3)), "got 16 bytes");
  expect_tensor(with_storage(storage("FloatStorage", "0", -4)), "got 16 bytes");
  expect_tensor(with_storage(storage("DoubleStorage", "0", (1ll << 61) + 2)), "got 16 bytes");
  expect(dict_of(storage("FloatStorage", "0", 4)), "'weight' is a bare storage");
}

TEST_F(HostilePickle, TensorsOutsideTheirStorage) {
  const auto with = [](auto member, const std::string& value) {
    Tensor parts;
    parts.*member = value;
    return parts;
  };
  const std::string huge = integer(INT64_MAX);
  expect_tensor(with(&Tensor::offset, integer(1)), "inside a storage of 4");
  expect_tensor(with(&Tensor::offset, integer(-1)), "offset: expected an int, not negative");
  expect_tensor(with(&Tensor::offset, huge), "overflows");
  expect_tensor(with(&Tensor::offset, text("0")), "offset: expected an int");
  expect_tensor(with(&Tensor::size, "(" + integer(2) + integer(3) + "t"), "inside a storage of 4");
  expect_tensor(with(&Tensor::size, "(" + integer(-2) + integer(2) + "t"), "not negative");
  expect_tensor(with(&Tensor::size, "(" + huge + huge + "t"), "overflows");
  expect_tensor(with(&Tensor::size, "(" + integer(0) + huge + "t"), "overflows");
  expect_tensor(with(&Tensor::size, "(" + integer(2) + "t"),
                "expected a stride for each of 1 sizes");
  expect_tensor(with(&Tensor::size, "N"), "size: expected a tuple");
  expect_tensor(with(&Tensor::size, "(" + text("2") + integer(2) + "t"), "size: expected ints");
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += integer(1);
  expect_tensor(with(&Tensor::size, many + "t"), "at most 64 dimensions");
  expect_tensor(with(&Tensor::stride, "(" + integer(-2) + integer(1) + "t"), "not negative");
  expect_tensor(with(&Tensor::stride, "(" + integer(3) + integer(1) + "t"),
                "inside a storage of 4");
  expect_tensor(with(&Tensor::stride, "(" + huge + huge + "t"), "overflows");
  expect_tensor(with(&Tensor::rest, "\x89"), "6 to 7 arguments, got 5");
  const std::string rest = Tensor().rest;
  expect_tensor(with(&Tensor::rest, rest + "}" + text("conj") + "\x88s"),
                "'conj' on a tensor of float32");
  expect_tensor(with(&Tensor::rest, rest + "}" + text("other") + "\x88s"), "'conj' or 'neg'");
  expect_tensor(with(&Tensor::rest, rest + "N"), "metadata: expected a dict");
  Tensor v3;
  v3.function = "_rebuild_tensor_v3";
  v3.rest += global("torch", "float64");
  expect_tensor(v3, "inside a storage of 2");
  v3.rest = rest + "N";
  expect_tensor(v3, "expected a dtype, got None");
  v3.rest = rest + global("torch", "FloatStorage");
  expect_tensor(v3, "expected a dtype");
}

TEST_F(HostilePickle, ParametersOfWhatIsNoTensor) {
  const auto parameter = global("torch._utils", "_rebuild_parameter");
  expect(dict_of(parameter + "N\x88N\x87R"), "expected a parameter of a tensor, got one of None");
  expect(dict_of(parameter + ")R"), "arguments, got 0");
  std::string nested = tensor();
  for (int i = 0; i < 200; ++i) nested = parameter + nested + "\x88}\x87R";
  expect(dict_of(nested), "wrapped in more parameters");
  expect(dict_of(global("torch._tensor", "_rebuild_from_type_v2") + "(" +
                 global("torch", "float32") + "N)}tR"),
         "expected a function that makes a tensor");
  expect(dict_of(global("torch._tensor", "_rebuild_from_type_v2") + "(" +
                 global("torch._utils", "_rebuild_tensor_v2") + "NN}tR"),
         "expected a tuple of arguments");
}

TEST_F(HostilePickle, Names) {
  expect("}(" + text("a\xff") + "Nu", "not valid UTF-8");
  expect("}(NNu", "neither str nor int: None");
  expect("}(" + text("a") + "N" + text("a") + "Nu", "'a' is there twice");
  expect("}(" + text("a.b") + "N" + text("a") + "}" + text("b") + "Nsu", "'a.b' is there twice");
  expect("}(" + text("1") + "NK\1Nu", "'1' is there twice");
}

TEST_F(HostilePickle, Nesting) {
  expect(std::string(1'000'000, ']') + std::string(999'999, 'a'), "values on the stack");
  expect(std::string(400'000, ']') + std::string(399'999, 'a'), "containers need more than");
  expect(std::string(200'000, ']') + std::string(199'999, 'a'), "nested deeper than 64");
  expect(")" + std::string(1'000'000, '\x85'), "containers need more than");
  expect(")" + std::string(200'000, '\x85'), "nested deeper than 64");
  expect(std::string(1'000'000, '('), "more open marks");
  expect("]q\0h\0a"s, "nested deeper than 64 levels, or contains itself");
  expect("}q\0"s + text("k") + "h\0s"s, "nested deeper than 64 levels, or contains itself");
  expect(std::string(600'000, 'N'), "values on the stack");
}

TEST_F(HostilePickle, Bombs) {
  // "Billion laughs": 40 lists, each holding the one before twice.
  std::string laughs = "]q\0"s;
  for (char i = 0; i < 40; ++i) {
    laughs += "](h"s + i + "h"s + i + "eq"s + static_cast<char>(i + 1);
  }
  expect("(" + laughs + "t", "holds more than 1000000 values");
  std::string one = ")";
  for (char i = 0; i < 40; ++i) one += "q"s + i + "h"s + i + "\x86";
  expect(one, "holds more than 1000000 values");
  // Lists copied by set(): twice the bytes each time.
  std::string sets = "](NNNNNNNNNNNNNNNNe";
  for (char i = 0; i < 60; ++i) {
    sets += "q"s + i + global("builtins", "set") + "h"s + i + "\x85R";
  }
  expect(sets, "expected one value");
  // Long names joined: 1 MB times 1000.
  std::string names = "}(" + text(std::string(1'000'000, 'n')) + "}(";
  for (int i = 0; i < 1000; ++i) names += text(std::to_string(i)) + "N";
  expect(names + "uu", "names, texts and shapes take more than 32 MiB");
  // Texts that are shared by the memo.
  std::string texts = "](" + text(std::string(1'000'000, 't')) + "q\0"s;
  for (int i = 0; i < 1000; ++i) texts += "h\0"s;
  expect(texts + "e", "names, texts and shapes take more than 32 MiB");
  // A memo that grows by a gigabyte a byte.
  expect("]r" + le(0xfffff, 4) + "r" + le(0xffffffff, 4), "memo: expected an index below");
  // Millions of tensors of one storage.
  std::string tensors = "](" + tensor() + "q\0"s;
  for (int i = 0; i < 150'000; ++i) tensors += "h\0"s;
  expect(tensors + "e", "more than 100000 tensors");
  // The same with 64 dimensions each: small in the file, large in memory.
  Tensor wide;
  wide.size = wide.stride = "(";
  for (int i = 0; i < 64; ++i) {
    wide.size += "K\1";
    wide.stride += "K\1";
  }
  wide.size += "t";
  wide.stride += "t";
  std::string wide_tensors = "](" + tensor(wide) + "q\0"s;
  for (int i = 0; i < 90'000; ++i) wide_tensors += "h\0"s;
  expect(wide_tensors + "e", "names, texts and shapes take more than 32 MiB");
  const std::string long_text(50'000'000, 't');
  expect(text(long_text), "names, texts and shapes take more than 32 MiB");
  expect("B" + le(long_text.size(), 4) + long_text,
         "names, texts and shapes take more than 32 MiB");
  expect("}" + text(long_text) + "Ns", "expected names of at most 1048576 bytes");
  expect("]" + text(long_text) + global("os", "system") + "e", "is not allowed");
  std::string values = "](";
  for (int i = 0; i < 300'000; ++i) values += "N";
  expect(values + "e", "more than 200000 plain values");
  std::string globals;
  for (int i = 0; i < 400'000; ++i) globals += global("torch", "int8");
  expect(globals, "containers need more than");
  // The most that the limits allow at once: memo, stack and nodes.
  std::string all = "]r" + le(0xfffff, 4);
  all += std::string(300'000, ')') + std::string(200'000, 'N');
  expect(all, "one value at the end");
}

}  // namespace
}  // namespace xattn::testing
