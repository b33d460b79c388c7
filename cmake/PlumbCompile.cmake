# plumb_own(target): how plumb's own code is compiled. Nothing here reaches a program that links plumb.
function(plumb_own target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -ffp-contract=off)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict)  # false alarms on "a" + string at -O3 (GCC bug 105651)
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
