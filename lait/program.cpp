#include "lait/program.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "lait/error.h"
#include "lait/git_hash.h"  // made by the build

namespace lait {

std::string version_string() { return "lait " LAIT_VERSION " (" LAIT_GIT_HASH ")"; }

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  app.set_version_flag("--version", version_string());
  const std::string name = app.get_name();
  auto complain = [&](const std::string& text) { std::fprintf(stderr, "%s: %s\n", name.c_str(), text.c_str()); };
  // A reader that went away (`| head`) is no error: the write fails and the program ends quietly.
  std::signal(SIGPIPE, [](int) { _exit(kExitOk); });
  try {
    app.parse(argc, argv);
    const int code = body();
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) {  // what was printed is lost: no success
      complain(std::string("standard output: cannot write: ") + std::strerror(errno));
      return kExitOurs;
    }
    return code;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version
    complain(std::string(error.what()) + "; see " + name + " --help");
    return kExitUser;
  } catch (const UserError& error) {
    complain(error.what());
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
