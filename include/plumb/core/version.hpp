#pragma once
/// @file
/// Which plumb this is, and the inline namespace that keeps one build of it apart from another in one program.

/// The version, as numbers for the preprocessor and as text.
#define PLUMB_VERSION_MAJOR 0
#define PLUMB_VERSION_MINOR 2
#define PLUMB_VERSION_PATCH 0
#define PLUMB_VERSION_STRING "0.2.0"

/// Everything of plumb lives in `plumb::PLUMB_ABI`, which is inline: programs write `plumb::Model`. The name changes
/// with every version whose types are laid out differently, so that two versions in one program do not meet. A build
/// on the headers alone has a name of its own: its kernels are other functions than those of the library.
#if defined(PLUMB_COMPILED)
#define PLUMB_ABI v0_2
#else
#define PLUMB_ABI v0_2_headers
#endif

/// Marks what a shared library shows to programs; everything else is hidden.
#if defined(__GNUC__)
#define PLUMB_API __attribute__((visibility("default")))
#else
#define PLUMB_API
#endif

namespace plumb::inline PLUMB_ABI {

/// The version of these headers: "0.2.0".
constexpr const char* version() { return PLUMB_VERSION_STRING; }

}  // namespace plumb
