# Imported targets for LibTorch from any prefix that holds the PyPI wheel's layout (torch/, nvidia/): lait::torch.
# find_package(Torch) is not used: it wants a CUDA toolkit and a GPU to look at, and its flags carry no PTX.
set(LAIT_LIBTORCH "" CACHE PATH "Prefix with torch/include and torch/lib; empty: the one that cmake/setup.sh makes")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS cmake/setup.sh cmake/requirements-libtorch.txt)
execute_process(COMMAND bash "${CMAKE_SOURCE_DIR}/cmake/setup.sh" where OUTPUT_VARIABLE _where
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" _where "${_where}")
list(GET _where 0 LAIT_LIBTORCH_PREFIX)
list(GET _where 1 LAIT_SETUP_NVCC)
if(LAIT_LIBTORCH)
  set(LAIT_LIBTORCH_PREFIX "${LAIT_LIBTORCH}")
endif()
if(NOT EXISTS "${LAIT_LIBTORCH_PREFIX}/torch/include/torch/csrc/api/include/torch/torch.h")
  message(FATAL_ERROR "LibTorch: expected a folder with torch/include and torch/lib, got '${LAIT_LIBTORCH_PREFIX}'; "
                      "run `make setup` or pass -DLAIT_LIBTORCH=PREFIX")
endif()
set(_torch_lib "${LAIT_LIBTORCH_PREFIX}/torch/lib")
foreach(name c10 torch_cpu torch_cuda)
  add_library(lait_${name} SHARED IMPORTED)
  set_target_properties(lait_${name} PROPERTIES IMPORTED_LOCATION "${_torch_lib}/lib${name}.so")
endforeach()
add_library(lait_torch INTERFACE)
add_library(lait::torch ALIAS lait_torch)
target_include_directories(lait_torch SYSTEM INTERFACE "${LAIT_LIBTORCH_PREFIX}/torch/include"
                           "${LAIT_LIBTORCH_PREFIX}/torch/include/torch/csrc/api/include")
# libtorch_cpu.so finds its own dependencies by its RPATH; the linker needs to be told not to look for them.
target_link_libraries(lait_torch INTERFACE lait_torch_cpu lait_c10)
target_link_options(lait_torch INTERFACE "-Wl,--allow-shlib-undefined" "-Wl,-rpath,${_torch_lib}")
target_compile_definitions(lait_torch INTERFACE FMT_HEADER_ONLY)  # the wheel has fmt's headers, not its library
