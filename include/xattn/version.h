#pragma once

/// The version of these headers; CMakeLists.txt reads it from here.
#define XATTN_VERSION "0.1.0"
