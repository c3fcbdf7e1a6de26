# make install: programs, the operators' library, headers and configs. Programs find liblait_ops.so beside themselves and
# LibTorch where set-up put it; they look for configs in PREFIX/share/lait/configs.
include(GNUInstallDirs)
install(TARGETS ${lait_programs} lait_ops RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}"
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY kernels lait DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/lait" FILES_MATCHING PATTERN "*.h" PATTERN "*.cuh")
install(DIRECTORY configs/ DESTINATION "${CMAKE_INSTALL_DATADIR}/lait/configs" FILES_MATCHING PATTERN "*.yaml")
# bash-completion loads a program's completion from the file of its name.
foreach(program ${lait_programs})
  install(FILES cmake/completion.bash DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME ${program})
endforeach()
