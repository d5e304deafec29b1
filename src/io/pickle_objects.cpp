// The opcodes with which Python imports and calls what a file names. Here a global is looked up in
// a list, and a call makes a plain container or a record of its arguments.
#include "core/text.h"
#include "core/utf8.h"
#include "io/pickle_machine.h"

namespace xattn::io {
namespace {

constexpr std::uint64_t kMapNode = 96;
constexpr std::uint32_t kLongestKey = 255;

}  // namespace

bool PickleMachine::run_object(unsigned char opcode) {
  switch (opcode) {
    case 'c': {  // GLOBAL
      const auto module = take_line();
      push_global(module, take_line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const PickleValue name = pop();
      const PickleValue module = pop();
      if (!name.is(Kind::kText) || !module.is(Kind::kText))
        fail("STACK_GLOBAL: expected two texts");
      push_global(pickle_.slice(module), pickle_.slice(name));
      return true;
    }
    case 'R':
      reduce();
      return true;  // REDUCE
    case 0x81:
      new_object();
      return true;  // NEWOBJ
    case 'b':
      build();
      return true;  // BUILD
    case 'Q':
      persistent_load();
      return true;  // BINPERSID
    default:
      return false;
  }
}

void PickleMachine::push_global(std::string_view module, std::string_view name) {
  if (module.size() + name.size() > kLongestGlobal) fail("a global's name is too long");
  std::string full_name = cat(module, '.', name);
  if (!is_utf8(full_name)) fail(cat("a global's name is not valid UTF-8: ", quote(full_name)));
  const auto action = find_global(full_name, options_.torchscript);
  if (!action) {
    fail(cat("global ", quote(full_name), " is not allowed: ", advice_for_global(full_name)));
  }
  charge(sizeof(PickleGlobal) + 32 + full_name.size());
  pickle_.globals_.push_back({std::move(full_name), *action});
  PickleValue value{Kind::kGlobal};
  value.index = static_cast<std::uint32_t>(pickle_.globals_.size() - 1);
  push(value);
}

void PickleMachine::reduce() {
  const PickleValue arguments = pop();
  const PickleValue callable = pop();
  if (!callable.is(Kind::kGlobal)) {
    fail(cat("REDUCE: expected a global to call, got ", pickle_.describe(callable)));
  }
  const PickleGlobal& global = pickle_.globals_[callable.index];
  // TorchScript writes an enum's value bare, everything else as a tuple of arguments.
  if (global.action == GlobalAction::kScriptClass) {
    push(arguments);
    return;
  }
  if (!pickle_.is_node(arguments, NodeKind::kTuple)) {
    fail(cat("REDUCE of ", quote(global.name), ": expected a tuple of arguments, got ",
             pickle_.describe(arguments)));
  }
  const auto& items = pickle_.node(arguments).items;
  const auto expect_arguments = [&](bool good) {
    if (!good) fail(cat("REDUCE of ", quote(global.name), ": ", items.size(), " arguments"));
  };
  switch (global.action) {
    case GlobalAction::kRecord:
      push(make_node(NodeKind::kCall, {arguments}, callable.index));
      return;
    case GlobalAction::kDict:
      expect_arguments(items.empty() ||
                       (items.size() == 1 && pickle_.is_node(items[0], NodeKind::kDict)));
      push(make_copy(NodeKind::kDict, items));
      return;
    case GlobalAction::kList:
      expect_arguments(items.size() <= 1);
      if (!items.empty() && !pickle_.is_node(items[0], NodeKind::kList) &&
          !pickle_.is_node(items[0], NodeKind::kTuple)) {
        fail(cat("REDUCE of ", quote(global.name), ": expected a list, got ",
                 pickle_.describe(items[0])));
      }
      push(make_copy(NodeKind::kList, items));
      return;
    case GlobalAction::kFirst:
      expect_arguments(items.size() == 1 || items.size() == 2);
      push(items[0]);
      return;
    case GlobalAction::kInert:
    case GlobalAction::kScriptClass:
      break;
  }
  fail(cat("REDUCE: global ", quote(global.name), " cannot be called"));
}

/// A container of what the container in `arguments`, if there is one, holds.
PickleValue PickleMachine::make_copy(NodeKind kind, const std::vector<PickleValue>& arguments) {
  std::vector<PickleValue> items;
  if (!arguments.empty()) items = pickle_.node(arguments[0]).items;
  return make_node(kind, std::move(items));
}

void PickleMachine::new_object() {
  const PickleValue arguments = pop();
  const PickleValue made = pop();
  if (!made.is(Kind::kGlobal) || !pickle_.is_node(arguments, NodeKind::kTuple) ||
      !pickle_.node(arguments).items.empty()) {
    fail(cat("NEWOBJ: expected a class and no arguments, got ", pickle_.describe(made), " and ",
             pickle_.describe(arguments)));
  }
  const PickleGlobal& global = pickle_.globals_[made.index];
  if (global.action == GlobalAction::kDict) {
    push(make_node(NodeKind::kDict, {}));
  } else if (global.action == GlobalAction::kScriptClass) {
    push(make_node(NodeKind::kObject, {}, made.index));
  } else {
    fail(cat("NEWOBJ: global ", quote(global.name), " is not a class of plain values"));
  }
}

void PickleMachine::build() {
  const PickleValue state = pop();
  const PickleValue& target = top();
  // What Python hangs on an OrderedDict is the module versions (`_metadata`), which are not kept.
  if (pickle_.is_node(target, NodeKind::kDict)) return;
  if (!pickle_.is_node(target, NodeKind::kObject)) {
    fail(cat("BUILD: expected a dict or a TorchScript object, got ", pickle_.describe(target)));
  }
  PickleNode& object = pickle_.nodes_[target.index];
  if (!object.items.empty()) fail("BUILD: the object has its state already");
  charge(32 + sizeof(PickleValue));
  object.items.push_back(state);
}

void PickleMachine::persistent_load() {
  const PickleValue id = pop();
  if (!pickle_.is_node(id, NodeKind::kTuple) || pickle_.node(id).items.size() != 5 ||
      !pickle_.node(id).items[0].is(Kind::kText) ||
      pickle_.slice(pickle_.node(id).items[0]) != "storage") {
    fail(cat("persistent id: expected ('storage', type, key, place, count), got ",
             pickle_.describe(id)));
  }
  const PickleValue& key = pickle_.node(id).items[2];
  // Each use of it is a search for it.
  if (key.is(Kind::kText) && key.slice.length > kLongestKey) {
    fail(cat("storage key: expected a short str, got ", pickle_.describe(key)));
  }
  // torch.jit.load makes a storage for each id; and a tensor of what is no key will be refused.
  if (options_.torchscript || !key.is(Kind::kText)) {
    push(make_node(NodeKind::kStorage, {id}));
    return;
  }
  const auto [known, is_new] = storages_.try_emplace(pickle_.slice(key));
  if (is_new) {
    charge(kMapNode);
    known->second = make_node(NodeKind::kStorage, {id});
  }
  push(known->second);
}

}  // namespace xattn::io
