#pragma once

#include <memory>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// Names of the scheduler classes that are known: "DDIMScheduler", ….
XATTN_API std::vector<std::string> scheduler_classes();

/// The scheduler of a scheduler_config.json: of the class that it names or, as Python's
/// `from_config` does, of another class with the same options.
///
/// Fields that the class does not know are named in a warning (`TORCH_WARN`) and skipped.
///
/// Throws: `ValueError` for a class that is not known, with the list of those that are, and for a
/// field that cannot be honoured.
XATTN_API std::unique_ptr<Scheduler> scheduler_from_json(const std::string& text,
                                                         const std::string& class_name = "");

/// The scheduler of a folder with a scheduler_config.json. Throws: as `scheduler_from_json`, and
/// `FileError`.
XATTN_API std::unique_ptr<Scheduler> open_scheduler(const std::string& folder,
                                                    const std::string& class_name = "");

/// The scheduler_config.json of a scheduler, with every field of its class. Throws: `ValueError`
/// for a class that is not one of `scheduler_classes`.
XATTN_API std::string scheduler_to_json(const Scheduler& scheduler);

/// Writes it to a folder, which is made where it is not there: `open_scheduler` and diffusers'
/// `from_pretrained` read the same config from it. Throws: as `scheduler_to_json`, and `FileError`.
XATTN_API void save_scheduler(const Scheduler& scheduler, const std::string& folder);

}  // namespace xattn
