// The launchers' variables, as torchrun, Open MPI 4, Hydra and Slurm 23 set them.
#include "lait/ranks/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/base/error_of.h"

namespace lait {
namespace {

using testing::HasSubstr;

RankPlace place_of(const std::map<std::string, std::string>& environment) {
  return find_place([&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

std::string error_with(const std::map<std::string, std::string>& environment) {
  return error_of([&] { place_of(environment); });
}

TEST(Launcher, NoneIsOneProcess) {
  EXPECT_EQ(place_of({}).size, 1);
  // A batch script of Slurm is no step of it, an idle MPICH variable no launcher.
  EXPECT_EQ(place_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).size, 1);
  EXPECT_EQ(place_of({{"PMI_RANK", "0"}, {"PMI_SIZE", "4"}}).size, 1);
  EXPECT_EQ(place_of({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).size, 1);
}

TEST(Launcher, Torchrun) {
  const RankPlace place = place_of({{"RANK", "5"},
                                    {"WORLD_SIZE", "8"},
                                    {"LOCAL_RANK", "1"},
                                    {"LOCAL_WORLD_SIZE", "4"},
                                    {"MASTER_ADDR", "node1"},
                                    {"MASTER_PORT", "4242"},
                                    {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                    {"TORCHELASTIC_RESTART_COUNT", "2"}});
  EXPECT_EQ(place.rank, 5);
  EXPECT_EQ(place.size, 8);
  EXPECT_EQ(place.local_rank, 1);
  EXPECT_EQ(place.local_size, 4);
  EXPECT_EQ(place.address, "node1");
  EXPECT_EQ(place.port, 4242);
  EXPECT_TRUE(place.launcher_listens);
  EXPECT_EQ(place.restarts, 2);
}

TEST(Launcher, OpenMpiInASlurmJob) {
  const RankPlace place = place_of({{"OMPI_COMM_WORLD_RANK", "3"},
                                    {"OMPI_COMM_WORLD_SIZE", "4"},
                                    {"OMPI_COMM_WORLD_LOCAL_RANK", "3"},
                                    {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                                    {"SLURM_PROCID", "0"},
                                    {"SLURM_STEP_NUM_TASKS", "1"}});
  EXPECT_EQ(place.rank, 3);
  EXPECT_EQ(place.size, 4);
  EXPECT_EQ(place.address, "127.0.0.1");
  EXPECT_EQ(place.port, 29500);
  EXPECT_FALSE(place.launcher_listens);
}

TEST(Launcher, Hydra) {
  const RankPlace place = place_of(
      {{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}});
  EXPECT_EQ(place.rank, 1);
  EXPECT_EQ(place.local_rank, 1);
}

TEST(Launcher, Slurm) {
  const std::map<std::string, std::string> environment{{"SLURM_PROCID", "4"},
                                                       {"SLURM_STEP_NUM_TASKS", "6"},
                                                       {"SLURM_LOCALID", "0"},
                                                       {"SLURM_NODEID", "2"},
                                                       {"SLURM_STEP_TASKS_PER_NODE", "2(x3)"},
                                                       {"SLURM_STEP_NODELIST", "gpu[07-09]"},
                                                       {"SLURM_JOB_ID", "123456"}};
  const RankPlace place = place_of(environment);
  EXPECT_EQ(place.rank, 4);
  EXPECT_EQ(place.local_rank, 0);
  EXPECT_EQ(place.local_size, 2);
  EXPECT_EQ(place.address, "gpu07");
  EXPECT_EQ(place.port, 20000 + 123456 % 20000);
  auto with_address = environment;
  with_address["MASTER_ADDR"] = "10.0.0.7";
  with_address["MASTER_PORT"] = "5000";
  EXPECT_EQ(place_of(with_address).address, "10.0.0.7");
  EXPECT_EQ(place_of(with_address).port, 5000);
}

TEST(Launcher, SlurmsLists) {
  EXPECT_EQ(first_slurm_node("gpu7"), "gpu7");
  EXPECT_EQ(first_slurm_node("gpu7,gpu8"), "gpu7");
  EXPECT_EQ(first_slurm_node("gpu[07-09,12],login1"), "gpu07");
  EXPECT_EQ(first_slurm_node("a[3]"), "a3");
  EXPECT_EQ(slurm_tasks_on("4(x2),2", 0), 4);
  EXPECT_EQ(slurm_tasks_on("4(x2),2", 1), 4);
  EXPECT_EQ(slurm_tasks_on("4(x2),2", 2), 2);
  EXPECT_EQ(slurm_tasks_on("4(x2),2", 3), -1);
  EXPECT_EQ(slurm_tasks_on("", 0), -1);
}

TEST(Launcher, RefusesWhatCannotBe) {
  EXPECT_THAT(error_with({{"RANK", "1"}}), HasSubstr("RANK: expected WORLD_SIZE beside it"));
  EXPECT_THAT(error_with({{"WORLD_SIZE", "2"}}), HasSubstr("WORLD_SIZE: expected RANK beside it"));
  EXPECT_THAT(error_with({{"RANK", "x"}, {"WORLD_SIZE", "2"}}),
              HasSubstr("RANK: expected a number, got 'x'"));
  EXPECT_THAT(error_with({{"RANK", "2"}, {"WORLD_SIZE", "2"}}), HasSubstr("got rank 2 of 2"));
  // Kubernetes' operators set no local ranks.
  EXPECT_THAT(error_with({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "node1"}}),
              HasSubstr("LOCAL_RANK: expected a number, got ''"));
  EXPECT_THAT(error_with({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "70000"}}),
              HasSubstr("MASTER_PORT: expected a port up to 65535, got 70000"));
  // Two machines, and nobody says where rank 0 is.
  EXPECT_THAT(error_with({{"OMPI_COMM_WORLD_RANK", "3"},
                          {"OMPI_COMM_WORLD_SIZE", "4"},
                          {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                          {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}),
              HasSubstr("MASTER_ADDR: expected the name of rank 0's machine, got none"));
}

}  // namespace
}  // namespace lait
