# Imported targets for LibTorch from any prefix that holds the PyPI wheel's layout (torch/, nvidia/): lait::torch.
# find_package(Torch) is not used: it wants a CUDA toolkit and a GPU to look at, and its flags carry no PTX.
set(LAIT_LIBTORCH "" CACHE PATH "Prefix with torch/include and torch/lib (cmake/setup.sh makes one)")
if(NOT EXISTS "${LAIT_LIBTORCH}/torch/include/torch/csrc/api/include/torch/torch.h")
  message(FATAL_ERROR "LAIT_LIBTORCH: expected a folder with torch/include and torch/lib, got '${LAIT_LIBTORCH}'; "
                      "run `make setup` or pass -DLAIT_LIBTORCH=PREFIX")
endif()
set(_torch_lib "${LAIT_LIBTORCH}/torch/lib")
foreach(name c10 torch_cpu)
  add_library(lait_${name} SHARED IMPORTED)
  set_target_properties(lait_${name} PROPERTIES IMPORTED_LOCATION "${_torch_lib}/lib${name}.so")
endforeach()
add_library(lait_torch INTERFACE)
add_library(lait::torch ALIAS lait_torch)
target_include_directories(lait_torch SYSTEM INTERFACE "${LAIT_LIBTORCH}/torch/include"
                           "${LAIT_LIBTORCH}/torch/include/torch/csrc/api/include")
# libtorch_cpu.so finds its own dependencies by its RPATH; the linker needs to be told not to look for them.
target_link_libraries(lait_torch INTERFACE lait_torch_cpu lait_c10)
target_link_options(lait_torch INTERFACE "-Wl,--allow-shlib-undefined" "-Wl,-rpath,${_torch_lib}")
target_compile_definitions(lait_torch INTERFACE FMT_HEADER_ONLY)  # the wheel has fmt's headers, not its library
