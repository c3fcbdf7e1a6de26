# make install: programs, manual pages, libraries, headers, configs, the default model, bash
# completion and a CMake package. An outside project says find_package(lait) and links lait::eval
# (predict), lait::lait (the model), lait::ops or lait::kernels alone.
#
# The prefix is complete: every user can use it, and nothing in it names a folder outside.
# LibTorch's libraries and headers go to PREFIX/lib/lait in the wheel's layout, by which they find
# one another; those with CUDA only with the component `cuda` (make install CUDA=1). Programs find
# libraries, configs and the model by paths relative to themselves.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(CMAKE_INSTALL_MESSAGE NEVER)  # LibTorch has 9000 headers
# Whatever the installing user's umask is.
set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
    GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

# What libtorch_cpu.so links and the system lacks; LibTorch for GPUs links the CUDA runtime and its
# profiler, too. Before anything is copied, what is missing is said.
set(torch_cpu_libraries torch/lib/libtorch_cpu.so torch/lib/libc10.so torch/lib/libgomp.so.1)
set(cuda_runtime_libraries nvidia/cu13/lib/libcudart.so.13 nvidia/cu13/lib/libcupti.so.13)
function(check_libtorch_has files)
  install(CODE "foreach(file ${files})
  if(NOT EXISTS \"${LAIT_LIBTORCH_PREFIX}/\${file}\")
    message(FATAL_ERROR \"install: LibTorch: expected ${LAIT_LIBTORCH_PREFIX}/\${file}, got none; \"
            \"nothing was installed. Configure with -DLAIT_LIBTORCH=PREFIX of one that has it\")
  endif()
endforeach()" ${ARGN})
endfunction()
check_libtorch_has("torch/include;${torch_cpu_libraries}" ALL_COMPONENTS)
check_libtorch_has("nvidia;torch/lib/libtorch_cuda.so" COMPONENT cuda_check EXCLUDE_FROM_ALL)

# Of an older install with CUDA; programs would load it beside the new libraries.
install(CODE "file(REMOVE
  \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/liblait_cuda.so\")")

set(installed_libraries lait_kernels lait_ops lait_text lait lait_wordnet lait_eval lait_bench
    lait_train)
foreach(library ${installed_libraries})
  string(REGEX REPLACE "^lait_" "" name "${library}")
  set_target_properties(${library} PROPERTIES EXPORT_NAME "${name}")
endforeach()
install(TARGETS ${lait_programs} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(TARGETS ${installed_libraries} EXPORT laitTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
# eval/serve is a program's, not a library's.
install(DIRECTORY kernels lait eval train DESTINATION "include/lait" FILES_MATCHING PATTERN "*.h"
        PATTERN serve EXCLUDE)
install(DIRECTORY configs/ DESTINATION "${CMAKE_INSTALL_DATADIR}/lait/configs" FILES_MATCHING
        PATTERN "*.yaml" PATTERN "bench_lengths.txt" PATTERN "t5_tiny.json")

foreach(library ${torch_cpu_libraries} ${cuda_runtime_libraries})
  get_filename_component(folder "${library}" DIRECTORY)
  install(PROGRAMS "${LAIT_LIBTORCH_PREFIX}/${library}"
          DESTINATION "${LAIT_INSTALLED_LIBTORCH}/${folder}" COMPONENT libtorch OPTIONAL)
endforeach()
install(DIRECTORY "${LAIT_LIBTORCH_PREFIX}/torch/include"
        DESTINATION "${LAIT_INSTALLED_LIBTORCH}/torch" COMPONENT libtorch)
foreach(folder torch/lib nvidia)
  install(DIRECTORY "${LAIT_LIBTORCH_PREFIX}/${folder}/" USE_SOURCE_PERMISSIONS
          DESTINATION "${LAIT_INSTALLED_LIBTORCH}/${folder}" COMPONENT cuda EXCLUDE_FROM_ALL
          FILES_MATCHING PATTERN "lib*.so*" PATTERN libtorch_python.so EXCLUDE
          PATTERN include EXCLUDE PATTERN bin EXCLUDE)
endforeach()

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/lait")
install(EXPORT laitTargets NAMESPACE lait:: DESTINATION "${package_folder}")
configure_package_config_file(cmake/laitConfig.cmake.in "${CMAKE_BINARY_DIR}/laitConfig.cmake"
                              INSTALL_DESTINATION "${package_folder}"
                              PATH_VARS LAIT_INSTALLED_LIBTORCH)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/laitConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/laitConfig.cmake" "${CMAKE_BINARY_DIR}/laitConfigVersion.cmake"
        cmake/LibTorchTargets.cmake DESTINATION "${package_folder}")

# The model that set-up fetched: its files are copied, not the link to them.
set(model_name all-MiniLM-L6-v2)
set(model_folder "${CMAKE_INSTALL_DATADIR}/lait/models/${model_name}")
install(CODE "file(REAL_PATH \"${CMAKE_BINARY_DIR}/models/${model_name}\" model)
if(EXISTS \"\${model}\")
  file(INSTALL \"\${model}/\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${model_folder}\")
endif()")

# bash-completion loads a program's completion from a file of the program's name.
foreach(program ${lait_programs})
  install(FILES cmake/completion.bash RENAME ${program}
          DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
endforeach()

# man lait-train: the pages are what --help prints.
string(JOIN " " lait_program_words ${lait_programs})
install(CODE "execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND
  sh \"${CMAKE_SOURCE_DIR}/cmake/manual_pages.sh\" \"${PROJECT_VERSION}\"
  \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man1\"
  \"${CMAKE_RUNTIME_OUTPUT_DIRECTORY}\" ${lait_program_words})")
