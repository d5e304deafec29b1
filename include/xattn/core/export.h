#pragma once

/// Marks what a shared library of xattn offers; all else in it is hidden. An error has it too, or
/// what the library throws would be of another type than what its user catches.
#define XATTN_API __attribute__((visibility("default")))
