# Run at every build: writes OUTPUT with the commit's short hash ("-dirty" when tracked files differ
# from it), and writes only if the text changes, so that a new commit recompiles one file.
# The repository of a folder around a copy without .git is not ours.
cmake_path(GET SOURCE PARENT_PATH above)
set(ENV{GIT_CEILING_DIRECTORIES} "${above}")
execute_process(COMMAND git describe --always --dirty --exclude=* WORKING_DIRECTORY "${SOURCE}"
                OUTPUT_VARIABLE hash OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                RESULT_VARIABLE failed)
if(failed OR NOT hash)
  set(hash "unknown")  # no git, or an unpacked archive or copy
endif()
set(text "#pragma once\n#define LAIT_GIT_HASH \"${hash}\"\n")
set(previous "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" previous)
endif()
if(NOT previous STREQUAL text)
  file(WRITE "${OUTPUT}" "${text}")
endif()
