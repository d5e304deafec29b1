#pragma once

#include <vector>

#include "io/pickle.h"
#include "io/weights_file.h"
#include "io/zip_archive.h"

namespace xattn::io {

/// Turns what a pickle holds into tensors and attributes with dotted names.
///
/// Dicts and TorchScript modules give `key.`, lists and tuples `0.`, `1.`, …; a tensor or value
/// that was saved alone is called `value`. Names that collide are refused. `storages` receives the
/// zip entries that the tensors use; `TensorRecord::storage` indexes it.
void flatten(const Pickle& pickle, const ZipArchive& zip, Contents& contents,
             std::vector<const ZipEntry*>& storages);

}  // namespace xattn::io
