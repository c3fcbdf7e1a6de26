# The CUDA kernels: kernels/cuda/*.cu, without LibTorch, and their tests. They are compiled wherever
# nvcc is, that is, wherever cmake/setup.sh ran; no GPU is needed. Device code is sm_80, sm_90, and
# PTX for newer GPUs and for emulators.
file(GLOB cuda_sources CONFIGURE_DEPENDS kernels/cuda/*.cu)
if(NOT cuda_sources)
  return()
endif()
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  if(NOT EXISTS "${LAIT_SETUP_NVCC}")
    message(FATAL_ERROR "nvcc: expected a CUDA 13 compiler in $CUDA_HOME, /usr/local/cuda or the "
                        "set-up's folder, found none; run `make setup`, or pass -DLAIT_CUDA=OFF to "
                        "build without CUDA code")
  endif()
  set(CMAKE_CUDA_COMPILER "${LAIT_SETUP_NVCC}" CACHE FILEPATH "nvcc")
endif()
set(CMAKE_CUDA_ARCHITECTURES OFF)  # given below, one list with PTX
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
enable_language(CUDA)
# CMake 3.25 does not know the flag of a compiler newer than itself.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
set(CMAKE_CUDA_STANDARD 20)

add_library(lait_cuda_kernels STATIC ${cuda_sources})
target_include_directories(lait_cuda_kernels PUBLIC "${CMAKE_SOURCE_DIR}")
# Tests in C++ also call the runtime, and only nvcc knows where its headers are.
target_include_directories(lait_cuda_kernels SYSTEM INTERFACE
                           ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_link_libraries(lait_cuda_kernels PUBLIC lait_kernels)
foreach(flags
        "-gencode arch=compute_80,code=[sm_80,compute_80] -gencode arch=compute_90,code=sm_90"
        "-lineinfo --extended-lambda --expt-relaxed-constexpr"
        "-Xcompiler=-Wall,-Wextra,-Wno-unused-parameter"
        "-Xptxas=--warn-on-spills,--warning-as-error")  # no register spills, ever
  target_compile_options(lait_cuda_kernels PUBLIC "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:${flags}>")
endforeach()
# All programs use the CUDA runtime of LibTorch's prefix (CMAKE_BUILD_RPATH), whichever toolkit
# compiled them.

# lait/cuda: the operators' CUDA implementations, a plug-in that programs load for device: cuda. It
# loads LibTorch's CUDA libraries, which register themselves.
file(GLOB cuda_op_sources CONFIGURE_DEPENDS lait/cuda/*.cpp)
add_library(lait_cuda SHARED ${cuda_op_sources})
target_link_libraries(lait_cuda PRIVATE lait_cuda_kernels lait_ops
                      "-Wl,--no-as-needed" lait_torch_cuda "-Wl,--as-needed")
set_target_properties(lait_cuda PROPERTIES DEFINE_SYMBOL "")
lait_use_precompiled_headers(lait_cuda)
add_dependencies(programs lait_cuda)
# make install CUDA=1
set_property(TARGET lait_cuda APPEND PROPERTY INSTALL_RPATH
             "$ORIGIN/../${LAIT_INSTALLED_LIBTORCH}/nvidia/cu13/lib")
install(TARGETS lait_cuda LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        COMPONENT cuda EXCLUDE_FROM_ALL)

file(GLOB cuda_tests CONFIGURE_DEPENDS tests/kernels_cuda/*_test.cpp)
if(LAIT_TESTS AND cuda_tests)
  set(environment "")
  if(LAIT_GPUEMU)
    set(environment ENVIRONMENT "LD_PRELOAD=${LAIT_GPUEMU}")
  endif()
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_executable(run_layout tests/kernels_cuda/run_layout_main.cpp)  # what is counted
  target_link_libraries(run_layout PRIVATE lait_cuda_kernels GTest::gtest)
  target_compile_definitions(run_layout PRIVATE LAIT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_executable(test_kernels_cuda ${cuda_tests})
  add_dependencies(test_kernels_cuda run_layout)
  target_link_libraries(test_kernels_cuda PRIVATE lait_cuda_kernels GTest::gtest_main GTest::gmock
                        nlohmann_json::nlohmann_json)
  target_compile_definitions(test_kernels_cuda PRIVATE LAIT_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                             LAIT_COUNTS_WORK=$<BOOL:${LAIT_GPUEMU}>
                             LAIT_RUN_LAYOUT="$<TARGET_FILE:run_layout>")
  # The operators and the model through LibTorch. An emulator of the runtime also needs a stub of
  # the driver's library.
  add_executable(test_cuda tests/cuda/library_test.cpp tests/cuda/model_test.cpp
                 tests/cuda/operators_test.cpp tests/cuda/t5_test.cpp)
  add_dependencies(test_cuda lait_cuda)
  target_link_libraries(test_cuda PRIVATE lait_train GTest::gtest_main GTest::gmock)
  target_compile_definitions(test_cuda PRIVATE LAIT_BUILD_DIR="${CMAKE_BINARY_DIR}"
                             LAIT_CUDA_LIBRARY="$<TARGET_FILE:lait_cuda>")
  lait_use_precompiled_headers(test_cuda)
  set(environment_of_libtorch "")
  if(LAIT_GPUEMU)
    add_library(cuda_driver_stub SHARED tests/cuda/driver_stub.cpp)
    set_target_properties(cuda_driver_stub PROPERTIES OUTPUT_NAME cuda SOVERSION 1
                          LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/driver_stub")
    add_dependencies(test_cuda cuda_driver_stub)
    set(driver_stub "${CMAKE_BINARY_DIR}/driver_stub/libcuda.so.1")
    set(environment_of_libtorch ENVIRONMENT "LD_PRELOAD=${LAIT_GPUEMU}:${driver_stub}")
  endif()
  gtest_discover_tests(test_cuda NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 1200 ${environment_of_libtorch})
  gtest_discover_tests(test_kernels_cuda NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 1200 ${environment})
endif()
