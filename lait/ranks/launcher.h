// lait/ranks/: several processes that compute one run: who they are, and what they exchange.
//
// The place of a process among those that a launcher started, from the launcher's variables:
// torchrun, mpirun (Open MPI; MPICH and Intel MPI with Hydra), or Slurm's srun.
#pragma once
#include <cstdlib>
#include <functional>
#include <string>

namespace lait {

struct RankPlace {
  int rank = 0, size = 1;
  int local_rank = 0, local_size = 1;  // on this machine
  // Where the processes meet. Rank 0 listens there, unless the launcher does.
  std::string address = {};
  int port = 0;
  bool launcher_listens = false;
  // Times that the launcher has started the processes again.
  int restarts = 0;
};

using Variables = std::function<const char*(const char*)>;
// One process where no launcher has set its variables. Throws UserError for variables that
// contradict each other or are not numbers, and where the meeting point is not known.
RankPlace find_place(const Variables& variable = std::getenv);

// The first machine of a Slurm list: "node03" of "node[03-05,9],gpu1".
std::string first_slurm_node(const std::string& nodes);
// The tasks on machine `node` (from 0): 2 of "4(x2),2" for node 2. -1: the list has no such node.
int slurm_tasks_on(const std::string& tasks, int node);

}  // namespace lait
