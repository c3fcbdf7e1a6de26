# Where LibTorch and nvcc are: LAIT_LIBTORCH, or what cmake/setup.sh installed. The targets are
# LibTorchTargets.cmake's.
set(LAIT_LIBTORCH "" CACHE PATH
    "Prefix with torch/include and torch/lib; empty: the one that cmake/setup.sh makes")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             cmake/setup.sh cmake/requirements-libtorch.txt)
execute_process(COMMAND bash "${CMAKE_SOURCE_DIR}/cmake/setup.sh" where OUTPUT_VARIABLE _where
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" _where "${_where}")
list(GET _where 0 LAIT_LIBTORCH_PREFIX)
list(GET _where 1 LAIT_SETUP_NVCC)
if(LAIT_LIBTORCH)
  set(LAIT_LIBTORCH_PREFIX "${LAIT_LIBTORCH}")
endif()
if(NOT EXISTS "${LAIT_LIBTORCH_PREFIX}/torch/include/torch/csrc/api/include/torch/torch.h")
  message(FATAL_ERROR "LibTorch: expected a folder with torch/include and torch/lib, got "
                      "'${LAIT_LIBTORCH_PREFIX}'; run `make setup` or pass -DLAIT_LIBTORCH=PREFIX")
endif()
include(cmake/LibTorchTargets.cmake)
# What is built finds LibTorch and its CUDA runtime where they are, what is installed beside itself
# (cmake/Install.cmake).
set(CMAKE_BUILD_RPATH "${LAIT_LIBTORCH_PREFIX}/nvidia/cu13/lib")
set(LAIT_INSTALLED_LIBTORCH "${CMAKE_INSTALL_LIBDIR}/lait")
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}"
    "$ORIGIN/../${LAIT_INSTALLED_LIBTORCH}/torch/lib")
