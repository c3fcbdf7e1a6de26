# lait::torch: LibTorch in ${LAIT_LIBTORCH_PREFIX}, a prefix with the PyPI wheel's layout (torch/,
# nvidia/). The build and the installed package (laitConfig.cmake) both include this file.
# find_package(Torch) is not used: it needs a CUDA toolkit and a GPU, and its flags include no PTX.
set(_torch_lib "${LAIT_LIBTORCH_PREFIX}/torch/lib")
foreach(name c10 torch_cpu torch_cuda)
  add_library(lait_${name} SHARED IMPORTED)
  set_target_properties(lait_${name} PROPERTIES IMPORTED_LOCATION "${_torch_lib}/lib${name}.so")
endforeach()
add_library(lait::torch INTERFACE IMPORTED)
target_include_directories(lait::torch SYSTEM INTERFACE "${LAIT_LIBTORCH_PREFIX}/torch/include"
                           "${LAIT_LIBTORCH_PREFIX}/torch/include/torch/csrc/api/include")
# libtorch_cpu.so finds its dependencies by its RPATH; the linker must not look for them. Programs
# find it by the RPATH that CMake gives what it builds.
target_link_libraries(lait::torch INTERFACE lait_torch_cpu lait_c10)
target_link_options(lait::torch INTERFACE "-Wl,--allow-shlib-undefined")
# FMT_HEADER_ONLY: the wheel has fmt's headers, not its library. NDEBUG is set in Debug builds too:
# the library was built with it, and without it LibTorch's classes have other members
# (at::RecordFunction::inputs_valid_).
target_compile_definitions(lait::torch INTERFACE FMT_HEADER_ONLY NDEBUG)
# Without -fopenmp at::parallel_for, which is header code, silently runs on one thread. At run time
# the libgomp is LibTorch's own, so there is one thread pool.
target_compile_options(lait::torch INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fopenmp>")
target_link_options(lait::torch INTERFACE "$<$<LINK_LANGUAGE:CXX>:-fopenmp>")
