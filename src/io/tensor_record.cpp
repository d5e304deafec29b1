// How PyTorch pickles a tensor: a call whose arguments say which part of which storage it is.
//
//   _rebuild_tensor(storage, offset, size, stride)
//   _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])
//   _rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])
//   _rebuild_parameter[_with_state](tensor, requires_grad, hooks[, state])
//   _rebuild_from_type_v2(function, type, arguments, state)      a tensor with Python attributes
//
// metadata is {'conj': True} or {'neg': True} for a lazy conjugate or negative. A storage is the
// persistent id ('storage', class, key, place, count): entry data/<key>, count elements of the
// class.
#include "io/tensor_record.h"

#include "core/text.h"

namespace xattn::io {
namespace {

using Kind = PickleValue::Kind;
using NodeKind = PickleNode::Kind;

constexpr int kMostWrappings = 8;

/// Whether torch can make the negative of such a tensor.
bool has_negative(DType dtype) {
  switch (dtype) {
    case DType::kUint8:
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kFloat16:
    case DType::kBfloat16:
    case DType::kFloat32:
    case DType::kFloat64:
    case DType::kComplex32:
    case DType::kComplex64:
    case DType::kComplex128:
      return true;
    default:
      return false;
  }
}

constexpr std::string_view kRebuild = "torch._utils._rebuild_tensor";
constexpr std::string_view kRebuildV2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildV3 = "torch._utils._rebuild_tensor_v3";
constexpr std::string_view kParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kParameterWithState = "torch._utils._rebuild_parameter_with_state";
constexpr std::string_view kFromType = "torch._tensor._rebuild_from_type_v2";

}  // namespace

bool TensorReader::is_tensor(std::string_view callee) {
  return callee == kRebuild || callee == kRebuildV2 || callee == kRebuildV3 ||
         callee == kParameter || callee == kParameterWithState || callee == kFromType;
}

TensorRecord TensorReader::read(const PickleNode& call) {
  return read(call, 0);
}

TensorRecord TensorReader::read(const PickleNode& call, int depth) {
  if (depth > kMostWrappings) fail("is wrapped in more parameters and types than any real one");
  const std::string& callee = pickle_.global(call.global).name;

  if (callee == kParameter || callee == kParameterWithState) {
    const PickleValue& data = arguments(call, 3, 4)[0];
    if (!pickle_.is_node(data, NodeKind::kCall) ||
        !is_tensor(pickle_.global(pickle_.node(data).global).name)) {
      fail(cat("expected a parameter of a tensor, got one of ", pickle_.describe(data)));
    }
    return read(pickle_.node(data), depth + 1);
  }
  if (callee == kFromType) {
    const auto& parts = arguments(call, 4, 4);
    if (!parts[0].is(Kind::kGlobal) || !is_tensor(pickle_.global(parts[0].index).name)) {
      fail(cat("expected a function that makes a tensor, got ", pickle_.describe(parts[0])));
    }
    PickleNode inner;
    inner.kind = NodeKind::kCall;
    inner.global = parts[0].index;
    inner.items = {parts[2]};
    return read(inner, depth + 1);
  }
  if (!is_tensor(callee)) fail(cat("is no tensor but ", quote(callee)));

  const bool v3 = callee == kRebuildV3;
  const auto& parts =
      callee == kRebuild ? arguments(call, 4, 4) : arguments(call, v3 ? 7 : 6, v3 ? 8 : 7);
  TensorRecord record;
  std::int64_t storage_bytes = 0;
  read_storage(parts[0], record, storage_bytes);
  if (v3) {
    constexpr std::size_t kPrefix = std::string_view("torch.").size();
    const auto dtype =
        parts[6].is(Kind::kGlobal)
            ? dtype_named(std::string_view(pickle_.global(parts[6].index).name).substr(kPrefix))
            : std::nullopt;
    if (!dtype) fail(cat("expected a dtype, got ", pickle_.describe(parts[6])));
    record.dtype = *dtype;
  }
  if (!parts[1].is(Kind::kInt) || parts[1].integer < 0) {
    fail(cat("offset: expected an int, not negative, got ", pickle_.describe(parts[1])));
  }
  record.offset = parts[1].integer;
  record.shape = sizes(parts[2], "size");
  record.strides = sizes(parts[3], "stride");
  const std::size_t metadata_at = v3 ? 7 : 6;
  if (parts.size() > metadata_at) read_metadata(parts[metadata_at], record);
  check_bounds(record, storage_bytes);
  return record;
}

void TensorReader::read_storage(const PickleValue& value, TensorRecord& record,
                                std::int64_t& bytes) {
  if (!pickle_.is_node(value, NodeKind::kStorage)) {
    fail(cat("expected a storage, got ", pickle_.describe(value)));
  }
  const auto& id = pickle_.node(pickle_.node(value).items[0]).items;
  if (!id[1].is(Kind::kGlobal))
    fail(cat("expected a storage class, got ", pickle_.describe(id[1])));
  const std::string_view class_name = pickle_.global(id[1].index).name;
  if (class_name == "torch.storage.UntypedStorage") {
    record.dtype = DType::kUint8;
  } else {
    const auto dtype =
        class_name.starts_with("torch.") ? dtype_of_storage(class_name.substr(6)) : std::nullopt;
    if (!dtype) fail(cat("expected a storage class, got ", quote(class_name)));
    record.dtype = *dtype;
  }
  if (!id[2].is(Kind::kText)) fail(cat("storage key: expected str, got ", pickle_.describe(id[2])));
  const std::string key = cat("data/", pickle_.slice(id[2]));
  const ZipEntry* const entry = zip_.find(key);
  if (!entry) fail(cat("expected its storage in the zip entry ", quote(key), ", got none"));
  if (!id[4].is(Kind::kInt) || id[4].integer < 0 ||
      __builtin_mul_overflow(id[4].integer, item_size(record.dtype), &bytes) ||
      static_cast<std::uint64_t>(bytes) != entry->size) {
    fail(cat("storage ", quote(key), ": expected ", pickle_.describe(id[4]), " elements of ",
             name(record.dtype), ", got ", entry->size, " bytes"));
  }
  const auto [place, added] = index_.try_emplace(entry, storages_.size());
  if (added) storages_.push_back(entry);
  record.storage = place->second;
}

std::vector<std::int64_t> TensorReader::sizes(const PickleValue& value,
                                              std::string_view what) const {
  if (!pickle_.is_node(value, NodeKind::kTuple) && !pickle_.is_node(value, NodeKind::kList)) {
    fail(cat(what, ": expected a tuple, got ", pickle_.describe(value)));
  }
  const auto& items = pickle_.node(value).items;
  if (items.size() > kMostDimensions) {
    fail(cat(what, ": expected at most ", kMostDimensions, " dimensions, got ", items.size()));
  }
  std::vector<std::int64_t> result;
  result.reserve(items.size());
  for (const PickleValue& item : items) {
    if (!item.is(Kind::kInt) || item.integer < 0) {
      fail(cat(what, ": expected ints, not negative, got ", pickle_.describe(item)));
    }
    result.push_back(item.integer);
  }
  return result;
}

void TensorReader::read_metadata(const PickleValue& value, TensorRecord& record) const {
  if (!pickle_.is_node(value, NodeKind::kDict)) {
    fail(cat("metadata: expected a dict, got ", pickle_.describe(value)));
  }
  const auto& items = pickle_.node(value).items;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    const std::string_view key = items[i].is(Kind::kText) ? pickle_.slice(items[i]) : "";
    if ((key != "conj" && key != "neg") || !items[i + 1].is(Kind::kBool)) {
      fail(cat("metadata: expected 'conj' or 'neg' and a bool, got ", pickle_.describe(items[i])));
    }
    (key == "conj" ? record.conjugate : record.negative) = items[i + 1].boolean;
  }
  const bool complex = record.dtype == DType::kComplex32 || record.dtype == DType::kComplex64 ||
                       record.dtype == DType::kComplex128;
  if (record.conjugate && !complex)
    fail(cat("metadata: 'conj' on a tensor of ", name(record.dtype)));
  if (record.negative && !has_negative(record.dtype))
    fail(cat("metadata: 'neg' on a tensor of ", name(record.dtype)));
}

void TensorReader::check_bounds(TensorRecord& record, std::int64_t storage_bytes) const {
  if (record.shape.size() != record.strides.size()) {
    fail(cat("expected a stride for each of ", record.shape.size(), " sizes, got ",
             record.strides.size()));
  }
  std::int64_t bytes = 0;
  if (!contiguous_bytes(record.shape, record.dtype, bytes)) {
    fail(cat("size ", shape_text(record.shape), " overflows"));
  }
  if (bytes == 0) {
    // Slices past the end have any offset; no element is there to be read.
    record.offset = 0;
    return;
  }
  std::int64_t last = record.offset;
  for (std::size_t i = 0; i < record.shape.size(); ++i) {
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(record.shape[i] - 1, record.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      fail(cat("stride ", shape_text(record.strides), " overflows"));
    }
  }
  const std::int64_t elements = storage_bytes / item_size(record.dtype);
  if (last >= elements) {
    fail(cat("expected its elements inside a storage of ", elements, ", got size ",
             shape_text(record.shape), ", stride ", shape_text(record.strides), ", offset ",
             record.offset));
  }
}

const std::vector<PickleValue>& TensorReader::arguments(const PickleNode& call, std::size_t least,
                                                        std::size_t most) const {
  if (!pickle_.is_node(call.items[0], NodeKind::kTuple)) {
    fail(cat("expected a tuple of arguments, got ", pickle_.describe(call.items[0])));
  }
  const auto& items = pickle_.node(call.items[0]).items;
  if (items.size() < least || items.size() > most) {
    fail(cat(pickle_.global(call.global).name, ": expected ", least, " to ", most,
             " arguments, got ", items.size()));
  }
  return items;
}

void TensorReader::fail(std::string_view what) const {
  pickle_.fail(cat("tensor ", shown_name_(), ": ", what));
}

}  // namespace xattn::io
