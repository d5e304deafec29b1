#include "io/pickle.h"

#include "core/text.h"
#include "io/pickle_machine.h"

namespace xattn::io {

Pickle::Pickle(const Subject& subject, std::string where, std::string bytes, const Options& options)
    : subject_(subject), where_(std::move(where)), bytes_(std::move(bytes)) {
  if (bytes_.size() > std::numeric_limits<std::uint32_t>::max()) {
    fail(cat("expected less than 4 GiB, got ", bytes_.size(), " bytes"));
  }
  root_ = PickleMachine(*this, options).run();
}

std::string Pickle::describe(const PickleValue& value) const {
  using Kind = PickleValue::Kind;
  switch (value.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return cat("int ", value.integer);
    case Kind::kBigInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kText:
      return cat("str ", quote(slice(value)));
    case Kind::kBytes:
      return "bytes";
    case Kind::kGlobal:
      return cat("global ", quote(global(value.index).name));
    case Kind::kNode:
      break;
  }
  const PickleNode& node = this->node(value);
  switch (node.kind) {
    case PickleNode::Kind::kTuple:
      return cat("tuple of ", node.items.size());
    case PickleNode::Kind::kList:
      return "list";
    case PickleNode::Kind::kDict:
      return "dict";
    case PickleNode::Kind::kStorage:
      return "storage";
    case PickleNode::Kind::kObject:
    case PickleNode::Kind::kCall:
      break;
  }
  return cat("object of ", quote(global(node.global).name));
}

}  // namespace xattn::io
