# PLUMB_TIERS: the tiers of kernels that are compiled (include/plumb/cpu/isa.hpp). `all` runs at its best on any machine;
# `native`, what this machine uses and no more, takes a third of the compiler's time; or a list of names.
set(PLUMB_TIERS "all" CACHE STRING "Tiers of kernels: all, native, or names")

# plumb_choose_tiers(RESULT): their names, scalar left out, which always exists.
function(plumb_choose_tiers result)
  set(known avx2 avx_vnni avx512 avx512_vnni avx512_bf16)
  if(PLUMB_TIERS STREQUAL "all" OR (PLUMB_TIERS STREQUAL "native" AND CMAKE_CROSSCOMPILING))
    set(names ${known})
  elseif(PLUMB_TIERS STREQUAL "native")
    file(WRITE ${PROJECT_BINARY_DIR}/native_tier.cpp [[
#include <cstdio>
#include "plumb/cpu/isa.hpp"
int main() {
  plumb::Isa best = plumb::Isa::scalar;
  for (plumb::Isa isa : plumb::kAllIsas)
    if (plumb::isa_supported(isa)) best = isa;
  std::puts(plumb::isa_name(best).data());
}
]])
    try_run(status compiled ${PROJECT_BINARY_DIR}/native ${PROJECT_BINARY_DIR}/native_tier.cpp
      CMAKE_FLAGS -DINCLUDE_DIRECTORIES=${PROJECT_SOURCE_DIR}/include CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
      COMPILE_OUTPUT_VARIABLE log RUN_OUTPUT_VARIABLE names)
    if(NOT compiled OR NOT status EQUAL 0)
      message(FATAL_ERROR "PLUMB_TIERS=native: cannot tell this machine's tier:\n${log}")
    endif()
    string(STRIP "${names}" names)
    message(STATUS "Kernels for this machine alone: ${names}")
  else()
    set(names ${PLUMB_TIERS})
  endif()
  if("avx512_bf16" IN_LIST names)
    list(APPEND names avx512_vnni)  # a few kernels of its own on top of that
  endif()
  list(REMOVE_ITEM names scalar)
  list(REMOVE_DUPLICATES names)
  foreach(name ${names})
    if(NOT name IN_LIST known)
      message(FATAL_ERROR "PLUMB_TIERS: '${name}', expected all, native, or some of scalar;${known}")
    endif()
  endforeach()
  set(${result} ${names} PARENT_SCOPE)
endfunction()

# plumb_tier_sources(SOURCES NAMES): drops the files of other tiers from the list SOURCES, and tells dispatch.cpp which
# are there. Two tiers share what tier_avx2_*.cpp and tier_avx512_*.cpp have.
function(plumb_tier_sources sources names)
  set(kept ${${sources}})
  set(dropped avx2 avx_vnni avx512 avx512_vnni avx512_bf16)
  list(REMOVE_ITEM dropped ${names})
  foreach(name ${dropped})
    list(FILTER kept EXCLUDE REGEX "cpu/tier_${name}\\.cpp$")
  endforeach()
  if(NOT "${names}" MATCHES "avx2|avx_vnni")
    list(FILTER kept EXCLUDE REGEX "cpu/tier_avx2_")
  endif()
  if(NOT "${names}" MATCHES "avx512")
    list(FILTER kept EXCLUDE REGEX "cpu/tier_avx512_")
  endif()
  foreach(name ${names})
    string(TOUPPER ${name} name)
    set_property(SOURCE cpu/dispatch.cpp APPEND PROPERTY COMPILE_DEFINITIONS PLUMB_TIER_${name})
  endforeach()
  set(${sources} ${kept} PARENT_SCOPE)
endfunction()
