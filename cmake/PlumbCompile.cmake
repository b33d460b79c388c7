# plumb_own(target): how plumb's own code is compiled. Nothing here reaches a program that links plumb.
function(plumb_own target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -ffp-contract=off)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False alarms on "a" + string at -O3 (GCC bugs 105651, 105329).
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    target_compile_options(${target} PRIVATE -Wno-pass-failed)  # a loop that was not vectorized as asked is no mistake
  endif()
  # Errors with the compilers that the code is kept free of warnings with: what a newer one dislikes must not stop a build.
  if(PLUMB_WARNINGS_AS_ERRORS AND
     ((CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13) OR
      (CMAKE_CXX_COMPILER_ID STREQUAL Clang AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15)))
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(PLUMB_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${PLUMB_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${PLUMB_SANITIZE})
  endif()
  if(PLUMB_TIDY)
    set_target_properties(${target} PROPERTIES CXX_CLANG_TIDY "clang-tidy;--warnings-as-errors=*")
  endif()
endfunction()

# plumb_unity(target SIZE FILE...): compiles files together, up to SIZE at once, as one file that includes them. Names in
# their anonymous namespaces must differ, or stand in a namespace of the file's. PLUMB_UNITY=OFF builds each alone: slower
# from scratch, faster after an edit.
function(plumb_unity target size)
  if(NOT PLUMB_UNITY OR PLUMB_TIDY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  set(index 0)
  foreach(file ${ARGN})
    cmake_path(GET file PARENT_PATH folder)
    cmake_path(GET folder FILENAME folder)
    math(EXPR group "${index} / ${size}")
    set_property(SOURCE ${file} PROPERTY UNITY_GROUP ${folder}_${group})
    math(EXPR index "${index} + 1")
  endforeach()
endfunction()

# plumb_precompile(target [HEADER...]): reads the standard headers that nearly every file includes once for all files of a
# target, and more if named. A file still includes what it uses: PLUMB_PRECOMPILE=OFF compiles each as it stands.
function(plumb_precompile target)
  if(NOT PLUMB_PRECOMPILE OR PLUMB_TIDY)
    return()
  endif()
  target_precompile_headers(${target} PRIVATE <algorithm> <array> <atomic> <charconv> <cmath> <cstring> <filesystem>
    <fstream> <functional> <limits> <map> <memory> <optional> <span> <sstream> <string> <string_view> <utility> <variant>
    <vector> ${ARGN})
endfunction()
