#include "lait/ranks/launcher.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "lait/base/error.h"

namespace lait {
namespace {

constexpr int kDefaultPort = 29500;  // torchrun's
constexpr int kHighestPort = 65535;
// Slurm's jobs on one machine get different ports.
constexpr int kFirstSlurmPort = 20000, kSlurmPorts = 20000;

class Reader {
 public:
  explicit Reader(const Variables& variable) : variable_(variable) {}

  std::string text(const char* name) const {
    const char* value = variable_(name);
    return value == nullptr ? "" : value;
  }
  bool has(const char* name) const { return !text(name).empty(); }
  int number(const char* name) const {
    const std::string value = text(name);
    int out = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), out);
    if (value.empty() || failed != std::errc() || end != value.data() + value.size() || out < 0)
      throw UserError(fmt::format("environment variable {}: expected a number, got '{}'; {}", name,
                                  value, kWayOut));
    return out;
  }
  int number_or(const char* name, int missing) const { return has(name) ? number(name) : missing; }

  static constexpr const char* kWayOut =
      "let torchrun, srun or mpirun set it, or unset it for one process";

 private:
  const Variables& variable_;
};

// As torchrun sets them, or a user.
RankPlace torchrun_place(const Reader& read) {
  RankPlace place{.rank = read.number("RANK"), .size = read.number("WORLD_SIZE")};
  // By hand, on one machine.
  const std::string address = read.text("MASTER_ADDR");
  const bool here = address.empty() || address == "127.0.0.1" || address == "localhost";
  place.local_rank = here ? read.number_or("LOCAL_RANK", place.rank) : read.number("LOCAL_RANK");
  place.local_size =
      here ? read.number_or("LOCAL_WORLD_SIZE", place.size) : read.number("LOCAL_WORLD_SIZE");
  place.launcher_listens = read.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  place.restarts = read.number_or("TORCHELASTIC_RESTART_COUNT", 0);
  return place;
}

RankPlace slurm_place(const Reader& read) {
  RankPlace place{.rank = read.number("SLURM_PROCID"), .size = read.number("SLURM_STEP_NUM_TASKS")};
  place.local_rank = read.number_or("SLURM_LOCALID", place.rank);
  const int here =
      slurm_tasks_on(read.text("SLURM_STEP_TASKS_PER_NODE"), read.number_or("SLURM_NODEID", 0));
  place.local_size = here > 0 ? here : place.size;
  if (place.local_size < place.size)
    place.address = first_slurm_node(read.text("SLURM_STEP_NODELIST"));
  if (read.has("SLURM_JOB_ID")) {
    place.port = kFirstSlurmPort +
                 (read.number("SLURM_JOB_ID") + read.number_or("SLURM_STEP_ID", 0)) % kSlurmPorts;
  }
  return place;
}

// Ranks of the launcher that started this process; nullopt: none did.
std::optional<RankPlace> launched(const Reader& read) {
  if (read.has("RANK") != read.has("WORLD_SIZE")) {
    const bool rank = read.has("RANK");
    throw UserError(fmt::format("environment variable {}: expected {} beside it, got none; {}",
                                rank ? "RANK" : "WORLD_SIZE", rank ? "WORLD_SIZE" : "RANK",
                                Reader::kWayOut));
  }
  if (read.has("RANK")) return torchrun_place(read);
  // mpirun in a Slurm job starts its own processes with srun, so Slurm's variables come last.
  if (read.has("OMPI_COMM_WORLD_RANK")) {
    return RankPlace{.rank = read.number("OMPI_COMM_WORLD_RANK"),
                     .size = read.number("OMPI_COMM_WORLD_SIZE"),
                     .local_rank = read.number("OMPI_COMM_WORLD_LOCAL_RANK"),
                     .local_size = read.number("OMPI_COMM_WORLD_LOCAL_SIZE")};
  }
  if (read.has("PMI_RANK") && read.has("MPI_LOCALRANKID")) {
    return RankPlace{.rank = read.number("PMI_RANK"),
                     .size = read.number("PMI_SIZE"),
                     .local_rank = read.number("MPI_LOCALRANKID"),
                     .local_size = read.number("MPI_LOCALNRANKS")};
  }
  // A batch script has SLURM_PROCID too, but is not a step of the job.
  if (read.has("SLURM_PROCID") && read.has("SLURM_STEP_NUM_TASKS")) return slurm_place(read);
  return std::nullopt;
}

}  // namespace

RankPlace find_place(const Variables& variable) {
  const Reader read(variable);
  const std::optional<RankPlace> found = launched(read);
  if (!found || found->size == 1) return {};
  RankPlace place = *found;
  if (place.rank >= place.size || place.local_rank >= place.local_size ||
      place.local_size > place.size) {
    throw UserError(fmt::format(
        "the launcher's variables: expected ranks below their number, got rank {} of {}, {} of {} "
        "on this machine; {}",
        place.rank, place.size, place.local_rank, place.local_size, Reader::kWayOut));
  }
  if (read.has("MASTER_ADDR")) place.address = read.text("MASTER_ADDR");
  if (read.has("MASTER_PORT")) place.port = read.number("MASTER_PORT");
  if (place.address.empty() && place.local_size == place.size) place.address = "127.0.0.1";
  if (place.address.empty()) {
    throw UserError(
        "environment variable MASTER_ADDR: expected the name of rank 0's machine, got none; set it "
        "for all processes (Open MPI: mpirun -x MASTER_ADDR=HOST; MPICH, Intel MPI: mpirun -genv "
        "MASTER_ADDR HOST)");
  }
  if (place.port > kHighestPort) {
    throw UserError(
        fmt::format("environment variable MASTER_PORT: expected a port up to {}, got {}",
                    kHighestPort, place.port));
  }
  if (place.port == 0) place.port = kDefaultPort;
  return place;
}

std::string first_slurm_node(const std::string& nodes) {
  const size_t open = nodes.find_first_of("[,");
  if (open == std::string::npos || nodes[open] == ',') return nodes.substr(0, open);
  const size_t end = nodes.find_first_of("-,]", open);
  return nodes.substr(0, open) + nodes.substr(open + 1, end - open - 1);
}

int slurm_tasks_on(const std::string& tasks, int node) {
  for (size_t at = 0; at < tasks.size();) {
    const size_t end = std::min(tasks.find(',', at), tasks.size());
    const std::string part = tasks.substr(at, end - at);
    int count = 0, nodes = 1;
    std::from_chars(part.data(), part.data() + part.size(), count);
    if (const size_t times = part.find("(x"); times != std::string::npos)
      std::from_chars(part.data() + times + 2, part.data() + part.size(), nodes);
    if (node < nodes) return count;
    node -= nodes;
    at = end + 1;
  }
  return -1;
}

}  // namespace lait
