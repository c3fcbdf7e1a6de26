# make install: programs, libraries, headers, configs, the default model, bash completion and a
# CMake package. An outside project says find_package(lait) and links lait::eval (predict),
# lait::lait (the model), lait::ops or lait::kernels alone. Nothing installed names the source or
# the build folder; LibTorch is where set-up put it, or where the outside project's -DLAIT_LIBTORCH
# points. Programs find liblait_ops.so by a path relative to themselves, configs and the model in
# PREFIX/share/lait.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(installed_libraries lait_kernels lait_ops lait_text lait lait_wordnet lait_eval lait_bench
    lait_train)
foreach(library ${installed_libraries})
  string(REGEX REPLACE "^lait_" "" name "${library}")
  set_target_properties(${library} PROPERTIES EXPORT_NAME "${name}")
endforeach()
install(TARGETS ${lait_programs} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(TARGETS ${installed_libraries} EXPORT laitTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY kernels lait eval train DESTINATION "include/lait" FILES_MATCHING PATTERN "*.h")
install(DIRECTORY configs/ DESTINATION "${CMAKE_INSTALL_DATADIR}/lait/configs" FILES_MATCHING
        PATTERN "*.yaml" PATTERN "bench_lengths.txt")

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/lait")
install(EXPORT laitTargets NAMESPACE lait:: DESTINATION "${package_folder}")
configure_package_config_file(cmake/laitConfig.cmake.in "${CMAKE_BINARY_DIR}/laitConfig.cmake"
                              INSTALL_DESTINATION "${package_folder}")
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
