#pragma once

namespace xattn::apps {

/// Lets OpenMP's threads wait for work only a moment before they sleep, unless the environment says
/// how they wait. The program starts itself anew for it, once, so nothing may have been read or
/// written yet.
void limit_spinning(char** argv);

}  // namespace xattn::apps
