#include "lait/base/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <system_error>

#include "kernels/segment_attention.h"
#include "lait/base/error.h"
#include "lait/base/file_writer.h"
#include "lait/base/signals.h"
#include "lait/git_hash.h"  // made by the build

namespace lait {

std::string version_string() { return "lait " LAIT_VERSION " (" LAIT_GIT_HASH ")"; }

std::string shell_words(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    const bool plain =
        !word.empty() &&
        word.find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%") ==
            std::string::npos;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += (out.empty() ? "" : " ") + (plain ? word : quoted + "'");
  }
  return out;
}

std::string sibling_program(const std::string& argv0, const std::string& name) {
  return argv0.substr(0, argv0.rfind('/') + 1) + name;  // npos + 1 is 0
}

namespace {

// If a standard stream is closed (`2>&-`), the first file opened would take its number. Opens
// /dev/null instead, so that writing to it fails, as it should, and reading gives nothing.
void fill_closed_streams() {
  for (int stream = 0; stream <= 2; ++stream) {
    if (fcntl(stream, F_GETFD) >= 0) continue;
    if (open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY) < 0) _exit(kExitUser);
  }
}

// `--output "$UNSET"` is a mistake: no option takes an empty text.
void refuse_empty_values(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& value : option->results()) {
      if (value.empty())
        throw UserError(option->get_name() +
                        ": expected a value, got an empty text; leave the option out, or give one");
    }
  }
  for (const CLI::App* command : app.get_subcommands()) refuse_empty_values(*command);
}

// False: --help or --version was printed.
bool parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    refuse_empty_values(app);
    return true;
  } catch (const CLI::Success& printed) {
    app.exit(printed);
    return false;
  }
}

// Reports a wrong LAIT_CPU_CAPABILITY before anything is read.
void check_environment() {
  try {
    kernels::cpu::capability();
  } catch (const std::invalid_argument& error) {
    throw UserError(error.what());
  }
}

}  // namespace

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  fill_closed_streams();
  app.set_version_flag("--version", version_string());
  app.get_option("--version")->description("print the version and the commit");
  const std::string name = app.get_name();
  auto complain = [&](const std::string& text) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), text.c_str());
  };
  // When a reader goes away (`| head`), the write fails and the program ends quietly.
  exit_at_closed_pipe();
  // A limit on file sizes is then reported like a full disk, and temporary files are removed.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const int code = parse(app, argc, argv) ? (check_environment(), body()) : kExitOk;
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) {  // output was lost
      throw_write_error("standard output");
    }
    return code;
  } catch (const CLI::ParseError& error) {
    complain(std::string(error.what()) + "; see " + name + " --help");
    return kExitUser;
  } catch (const UserError& error) {
    complain(error.what());
    return kExitUser;
  } catch (const std::filesystem::filesystem_error& error) {
    // A folder that cannot be listed, entered or removed.
    complain(error.path1().string() + ": " + error.code().message() +
             "; check the path and your permissions");
    return kExitUser;
  } catch (const std::system_error& error) {
    complain(error.what());
    return kExitUser;
  } catch (const std::bad_alloc&) {
    complain("out of memory; free some, or work on less at once (a smaller batch, a smaller file)");
    return kExitUser;
  } catch (const std::exception& error) {
    complain(error.what());
    return kExitOurs;
  } catch (...) {
    complain("an exception of unknown type");
    return kExitOurs;
  }
}

}  // namespace lait
