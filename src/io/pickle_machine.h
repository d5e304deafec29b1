#pragma once

#include <deque>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/pickle.h"

namespace xattn::io {

/// The longest name of a global, in bytes.
inline constexpr std::size_t kLongestGlobal = 4096;

/// The stack machine that a pickle is a program for, with the harmless opcodes only.
class PickleMachine {
 public:
  PickleMachine(Pickle& pickle, const Pickle::Options& options)
      : pickle_(pickle), options_(options) {}

  /// Runs to STOP, which must be the last byte.
  PickleValue run();

 private:
  using Kind = PickleValue::Kind;
  using NodeKind = PickleNode::Kind;

  // False for an opcode that is not of this group.
  bool run_scalar(unsigned char opcode);
  bool run_container(unsigned char opcode);
  bool run_memo(unsigned char opcode);
  bool run_object(unsigned char opcode);

  std::string_view take(std::uint64_t count);
  std::string_view take_line();
  template <class Integer>
  Integer take_le();

  void push(PickleValue value);
  void push_slice(Kind kind, std::uint64_t length);
  void push_long(std::uint64_t length);
  void push_tuple(std::size_t count);
  PickleValue pop();
  PickleValue& top();
  /// Removes and returns what was pushed since the last mark.
  std::vector<PickleValue> pop_mark();
  void charge(std::uint64_t bytes);
  PickleValue make_node(NodeKind kind, std::vector<PickleValue> items, std::uint32_t global = 0);
  PickleValue make_copy(NodeKind kind, const std::vector<PickleValue>& arguments);
  PickleNode& container_on_top(NodeKind kind, std::string_view opcode);
  void extend(PickleNode& node, const std::vector<PickleValue>& items);

  void remember(std::uint64_t index);
  void recall(std::uint64_t index);
  void push_global(std::string_view module, std::string_view name);
  void reduce();
  void new_object();
  void build();
  void persistent_load();

  [[noreturn]] void fail(std::string_view what) const;

  Pickle& pickle_;
  const Pickle::Options& options_;
  std::size_t position_ = 0;
  std::size_t opcode_at_ = 0;
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;
  std::deque<PickleValue> memo_;
  std::deque<bool> memo_known_;
  std::size_t memo_count_ = 0;  ///< How many are known: Python's len(memo).
  /// The storage of each key. Python makes it once, from the first id that has the key.
  std::map<std::string_view, PickleValue> storages_;
  std::uint64_t charged_ = 0;
};

}  // namespace xattn::io
