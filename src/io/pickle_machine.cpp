// A pickle is a program for a stack machine. Opcodes push values, gather what lies above a mark
// into a container, keep and recall values in a memo, or name globals and call them (REDUCE,
// NEWOBJ, BUILD). Python imports and runs what is named. Here a global must be on a list, and a
// call becomes a record.
#include "io/pickle_machine.h"

#include <algorithm>
#include <bit>

#include "core/text.h"
#include "core/utf8.h"
#include "io/little_endian.h"

namespace xattn::io {
namespace {

// Together these keep a hostile pickle below the promised 64 MiB beside the file's own size.
constexpr std::size_t kMostStack = 1 << 19;  // 8 MiB, 12 while it grows
constexpr std::size_t kMostMemo = 1 << 20;   // 16 MiB
constexpr std::size_t kMostMarks = 1 << 16;
// Bytes. Its decimal digits take time with the square: 0.1 ms at this length.
constexpr std::uint64_t kLongestInteger = 1024;

PickleValue boolean(bool value) {
  PickleValue result{PickleValue::Kind::kBool};
  result.boolean = value;
  return result;
}

PickleValue integer(std::int64_t value) {
  PickleValue result{PickleValue::Kind::kInt};
  result.integer = value;
  return result;
}

}  // namespace

PickleValue PickleMachine::run() {
  if (take(1)[0] != '\x80') fail("expected a pickle of protocol 2 or later");
  const auto protocol = take_le<std::uint8_t>();
  if (protocol < 2 || protocol > 5) fail(cat("expected protocol 2 to 5, got ", protocol));
  while (true) {
    opcode_at_ = position_;
    const auto opcode = take_le<std::uint8_t>();
    if (opcode == '.') break;
    if (!run_scalar(opcode) && !run_container(opcode) && !run_memo(opcode) && !run_object(opcode)) {
      fail(cat("opcode 0x", hex(opcode).substr(8), " is not one that torch.save writes"));
    }
  }
  if (stack_.size() != 1 || !marks_.empty()) fail("expected one value at the end");
  if (position_ != pickle_.bytes_.size()) fail("bytes follow the end of the pickle");
  return stack_[0];
}

bool PickleMachine::run_scalar(unsigned char opcode) {
  switch (opcode) {
    case 'N':
      push({});
      return true;  // NONE
    case 0x88:
      push(boolean(true));
      return true;  // NEWTRUE
    case 0x89:
      push(boolean(false));
      return true;  // NEWFALSE
    case 'J':
      push(integer(take_le<std::int32_t>()));
      return true;  // BININT
    case 'K':
      push(integer(take_le<std::uint8_t>()));
      return true;  // BININT1
    case 'M':
      push(integer(take_le<std::uint16_t>()));
      return true;  // BININT2
    case 0x8a:
      push_long(take_le<std::uint8_t>());
      return true;  // LONG1
    case 0x8b:
      push_long(take_le<std::uint32_t>());
      return true;  // LONG4
    case 'X':
      push_slice(Kind::kText, take_le<std::uint32_t>());
      return true;  // BINUNICODE
    case 0x8c:
      push_slice(Kind::kText, take_le<std::uint8_t>());
      return true;  // SHORT_BINUNICODE
    case 0x8d:
      push_slice(Kind::kText, take_le<std::uint64_t>());
      return true;  // BINUNICODE8
    case 'B':
      push_slice(Kind::kBytes, take_le<std::uint32_t>());
      return true;  // BINBYTES
    case 'C':
      push_slice(Kind::kBytes, take_le<std::uint8_t>());
      return true;  // SHORT_BINBYTES
    case 0x8e:
      push_slice(Kind::kBytes, take_le<std::uint64_t>());
      return true;  // BINBYTES8
    case 0x96:
      push_slice(Kind::kBytes, take_le<std::uint64_t>());
      return true;  // BYTEARRAY8
    case 'G': {     // BINFLOAT
      // The one big-endian number of the format.
      PickleValue value{Kind::kFloat};
      value.real = std::bit_cast<double>(__builtin_bswap64(take_le<std::uint64_t>()));
      push(value);
      return true;
    }
    case 0x95: {  // FRAME
      const auto length = take_le<std::uint64_t>();
      const std::size_t left = pickle_.bytes_.size() - position_;
      if (length > left) fail(cat("a frame of ", length, " bytes, ", left, " are left"));
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::run_container(unsigned char opcode) {
  switch (opcode) {
    case '(':  // MARK
      if (marks_.size() == kMostMarks) fail("more open marks than any real file has");
      marks_.push_back(stack_.size());
      return true;
    case ')':
      push_tuple(0);
      return true;  // EMPTY_TUPLE
    case 0x85:
      push_tuple(1);
      return true;  // TUPLE1
    case 0x86:
      push_tuple(2);
      return true;  // TUPLE2
    case 0x87:
      push_tuple(3);
      return true;  // TUPLE3
    case 't':
      push(make_node(NodeKind::kTuple, pop_mark()));
      return true;  // TUPLE
    case ']':
      push(make_node(NodeKind::kList, {}));
      return true;  // EMPTY_LIST
    case 0x8f:
      push(make_node(NodeKind::kList, {}));
      return true;  // EMPTY_SET
    case 0x91:
      push(make_node(NodeKind::kList, pop_mark()));
      return true;  // FROZENSET
    case '}':
      push(make_node(NodeKind::kDict, {}));
      return true;  // EMPTY_DICT
    case 'a': {     // APPEND
      const PickleValue item = pop();
      extend(container_on_top(NodeKind::kList, "APPEND"), {item});
      return true;
    }
    case 'e':     // APPENDS
    case 0x90: {  // ADDITEMS
      const auto items = pop_mark();
      extend(container_on_top(NodeKind::kList, "APPENDS"), items);
      return true;
    }
    case 's': {  // SETITEM
      const PickleValue value = pop();
      const PickleValue key = pop();
      extend(container_on_top(NodeKind::kDict, "SETITEM"), {key, value});
      return true;
    }
    case 'u': {  // SETITEMS
      const auto items = pop_mark();
      if (items.size() % 2 != 0) fail("SETITEMS: a key without a value");
      extend(container_on_top(NodeKind::kDict, "SETITEMS"), items);
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::run_memo(unsigned char opcode) {
  switch (opcode) {
    case 'q':
      remember(take_le<std::uint8_t>());
      return true;  // BINPUT
    case 'r':
      remember(take_le<std::uint32_t>());
      return true;  // LONG_BINPUT
    case 0x94:
      remember(memo_count_);
      return true;  // MEMOIZE
    case 'h':
      recall(take_le<std::uint8_t>());
      return true;  // BINGET
    case 'j':
      recall(take_le<std::uint32_t>());
      return true;  // LONG_BINGET
    default:
      return false;
  }
}

std::string_view PickleMachine::take(std::uint64_t count) {
  const std::size_t left = pickle_.bytes_.size() - position_;
  if (count > left) fail(cat("expected ", count, " more bytes, got ", left));
  const auto taken = std::string_view(pickle_.bytes_).substr(position_, count);
  position_ += count;
  return taken;
}

std::string_view PickleMachine::take_line() {
  const auto window = std::string_view(pickle_.bytes_).substr(position_, kLongestGlobal);
  const auto length = window.find('\n');
  if (length == std::string_view::npos) fail("GLOBAL: expected a name that ends with a newline");
  position_ += length + 1;
  return window.substr(0, length);
}

template <class Integer>
Integer PickleMachine::take_le() {
  return load_le<Integer>(take(sizeof(Integer)).data());
}

void PickleMachine::push(PickleValue value) {
  if (stack_.size() == kMostStack) {
    fail(cat("expected at most ", kMostStack, " values on the stack, got more"));
  }
  stack_.push_back(value);
}

void PickleMachine::push_slice(Kind kind, std::uint64_t length) {
  const std::size_t offset = position_;
  const std::string_view bytes = take(length);
  if (kind == Kind::kText && !is_utf8(bytes)) fail("a text is not valid UTF-8");
  PickleValue value{kind};
  value.slice = {static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(length)};
  push(value);
}

void PickleMachine::push_long(std::uint64_t length) {
  if (length > kLongestInteger) {
    fail(cat("expected an integer of at most ", kLongestInteger, " bytes, got ", length));
  }
  if (length > 8) {
    push_slice(Kind::kBigInt, length);
    return;
  }
  const std::string_view bytes = take(length);
  std::uint64_t bits = 0;
  if (length > 0 && (bytes.back() & '\x80') != 0) bits = ~std::uint64_t{0};
  std::memcpy(&bits, bytes.data(), bytes.size());
  push(integer(static_cast<std::int64_t>(bits)));
}

void PickleMachine::push_tuple(std::size_t count) {
  std::vector<PickleValue> items(count);
  for (std::size_t i = count; i > 0; --i) items[i - 1] = pop();
  push(make_node(NodeKind::kTuple, std::move(items)));
}

PickleValue PickleMachine::pop() {
  const PickleValue value = top();
  stack_.pop_back();
  return value;
}

PickleValue& PickleMachine::top() {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) fail("takes a value from an empty stack");
  return stack_.back();
}

std::vector<PickleValue> PickleMachine::pop_mark() {
  if (marks_.empty()) fail("expected a mark on the stack, got none");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleValue> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleMachine::charge(std::uint64_t bytes) {
  charged_ += bytes;
  if (charged_ > options_.most_bytes) {
    fail(cat("its containers need more than ", options_.most_bytes >> 20, " MiB"));
  }
}

PickleValue PickleMachine::make_node(NodeKind kind, std::vector<PickleValue> items,
                                     std::uint32_t global) {
  // 32: an allocator's own bytes and rounding.
  charge(sizeof(PickleNode) + (items.empty() ? 0 : 32 + items.capacity() * sizeof(PickleValue)));
  pickle_.nodes_.push_back({kind, global, std::move(items)});
  PickleValue value{Kind::kNode};
  value.index = static_cast<std::uint32_t>(pickle_.nodes_.size() - 1);
  return value;
}

PickleNode& PickleMachine::container_on_top(NodeKind kind, std::string_view opcode) {
  const PickleValue& value = top();
  if (!pickle_.is_node(value, kind)) {
    fail(cat(opcode, ": expected a ", kind == NodeKind::kDict ? "dict" : "list", ", got ",
             pickle_.describe(value)));
  }
  return pickle_.nodes_[value.index];
}

void PickleMachine::extend(PickleNode& node, const std::vector<PickleValue>& items) {
  // Twice, because a vector that grows holds up to twice its items.
  charge(32 + 2 * items.size() * sizeof(PickleValue));
  node.items.insert(node.items.end(), items.begin(), items.end());
}

void PickleMachine::remember(std::uint64_t index) {
  if (index >= kMostMemo) fail(cat("memo: expected an index below ", kMostMemo, ", got ", index));
  const PickleValue value = top();
  if (index >= memo_.size()) {
    memo_.resize(index + 1);
    memo_known_.resize(index + 1);
  }
  memo_[index] = value;
  memo_count_ += memo_known_[index] ? 0 : 1;
  memo_known_[index] = true;
}

void PickleMachine::recall(std::uint64_t index) {
  if (index >= memo_.size() || !memo_known_[index]) fail(cat("memo entry ", index, " is not set"));
  push(memo_[index]);
}

void PickleMachine::fail(std::string_view what) const {
  pickle_.fail(cat("at byte ", opcode_at_, ": ", what));
}

}  // namespace xattn::io
