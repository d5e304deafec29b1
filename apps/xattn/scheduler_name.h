#pragma once

#include <string>

namespace xattn::apps {

/// The class of a scheduler that a person named: "EulerDiscreteScheduler", "EulerDiscrete" or
/// "euler", in any case.
///
/// Throws: `UsageError` for another name, with all names and the one that was probably meant.
std::string scheduler_class(const std::string& name);

}  // namespace xattn::apps
