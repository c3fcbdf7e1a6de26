# LibTorch's headers, precompiled once and shared by every target that includes them (without, a
# file that includes them takes 5-12 s to compile). All these targets have the same flags: a
# precompiled header is only valid for the flags that it was compiled with.
set(_lait_precompiled <ATen/ATen.h> <torch/nn/module.h> <torch/nn/pimpl.h>
                      <torch/csrc/autograd/custom_function.h> <torch/library.h>)

function(lait_own_precompiled_headers target)
  if(LAIT_PCH)
    target_precompile_headers(${target} PRIVATE ${_lait_precompiled})
    target_compile_options(${target} PRIVATE -Winvalid-pch)
    set(LAIT_PCH_OWNER ${target} CACHE INTERNAL "")
  endif()
endfunction()

function(lait_use_precompiled_headers target)
  if(LAIT_PCH)
    target_precompile_headers(${target} REUSE_FROM ${LAIT_PCH_OWNER})
    get_target_property(type ${target} TYPE)
    target_compile_options(${target} PRIVATE -Winvalid-pch)
    if(type STREQUAL EXECUTABLE)  # CMake would pass -fPIE, but the header is compiled with -fPIC
      set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${target} PRIVATE -fPIC)
    endif()
  endif()
endfunction()
