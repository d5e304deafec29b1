#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "io/pickle_globals.h"
#include "io/subject.h"

namespace xattn::io {

/// A value of a pickle: 16 bytes, plain data. Containers are indices into the pickle's nodes, so
/// that deep or self-containing values need no recursion to be made or freed.
struct PickleValue {
  enum class Kind : std::uint8_t {
    kNone,
    kBool,
    kInt,
    kBigInt,  ///< An integer beyond 64 bits; its bytes, two's complement.
    kFloat,
    kText,  ///< UTF-8.
    kBytes,
    kGlobal,
    kNode,
  };
  struct Slice {
    std::uint32_t offset;
    std::uint32_t length;
  };

  Kind kind = Kind::kNone;
  union {
    bool boolean;
    std::int64_t integer = 0;
    double real;
    Slice slice;          // kBigInt, kText, kBytes
    std::uint32_t index;  // kGlobal, kNode
  };

  PickleValue() = default;
  explicit PickleValue(Kind of) : kind(of) {}

  bool is(Kind wanted) const { return kind == wanted; }
};

struct PickleNode {
  enum class Kind : std::uint8_t {
    kTuple,
    kList,
    kDict,     ///< Items are keys and values in turn.
    kCall,     ///< A call of `global` that is only recorded; one item, its arguments.
    kObject,   ///< An instance of a script class `global`; no item, or one, its state.
    kStorage,  ///< A tensor storage; one item, the persistent id.
  };

  Kind kind = Kind::kTuple;
  std::uint32_t global = 0;
  std::vector<PickleValue> items;
};

struct PickleGlobal {
  std::string name;  ///< "module.name"
  GlobalAction action;
};

/// A pickle read into a tree that holds plain values and records, never anything executed.
///
/// Takes what PyTorch writes, protocols 2 to 5, and refuses every other opcode and every global
/// that is not on the list (pickle_globals.h). Bounded: stack and memo take at most 28 MiB,
/// containers what the options say.
class Pickle {
 public:
  struct Options {
    bool torchscript = false;
    /// Bytes that its containers may take: a large file may hold more of them than a small one.
    std::uint64_t most_bytes = std::uint64_t{24} << 20;
  };

  /// `where` names the pickle in messages, for instance "data.pkl".
  Pickle(const Subject& subject, std::string where, std::string bytes, const Options& options);

  const PickleValue& root() const { return root_; }
  std::size_t size() const { return bytes_.size(); }
  const PickleNode& node(const PickleValue& value) const { return nodes_[value.index]; }
  const PickleGlobal& global(std::uint32_t index) const { return globals_[index]; }

  /// The bytes of a text, bytes or big integer; valid as long as the pickle.
  std::string_view slice(const PickleValue& value) const {
    return std::string_view(bytes_).substr(value.slice.offset, value.slice.length);
  }

  bool is_node(const PickleValue& value, PickleNode::Kind kind) const {
    return value.is(PickleValue::Kind::kNode) && node(value).kind == kind;
  }

  /// "int", "dict", "global torch.float16": for messages.
  std::string describe(const PickleValue& value) const;

  [[noreturn]] void fail(std::string_view what) const {
    subject_.fail(where_ + ": " + std::string(what));
  }

 private:
  friend class PickleMachine;

  const Subject& subject_;
  std::string where_;
  std::string bytes_;
  std::deque<PickleNode> nodes_;
  std::deque<PickleGlobal> globals_;
  PickleValue root_;
};

}  // namespace xattn::io
