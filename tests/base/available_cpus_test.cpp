// The CPUs that `threads: auto` takes: quotas of both versions of cgroups.
#include "lait/base/available_cpus.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

TEST(AvailableCpus, QuotaOfTheCgroupAndOfThoseAbove) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "a/b");
  const auto cpus = [&](const std::string& membership) {
    return cgroup_cpus(membership, folder.path());
  };
  EXPECT_EQ(cpus("0::/a/b\n"), std::nullopt) << "no quota anywhere";
  folder.write("a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cpus("0::/a/b\n"), std::nullopt);
  folder.write("a/b/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpus("0::/a/b\n"), 1.5);
  folder.write("a/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpus("0::/a/b\n"), 0.5) << "the one above is less";
  EXPECT_EQ(cpus("0::/\n"), std::nullopt);
  // In a container the path is the host's, and what is mounted is the cgroup itself.
  folder.write("cpu.max", "200000 100000\n");
  EXPECT_EQ(cpus("0::/docker/0123\n"), 2.0);
  EXPECT_EQ(cpus("no cgroups"), std::nullopt);
}

TEST(AvailableCpus, QuotaOfVersion1) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "cpu,cpuacct/job");
  const auto cpus = [&] { return cgroup_cpus("4:cpu,cpuacct:/job\n2:memory:/x\n", folder.path()); };
  folder.write("cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  folder.write("cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpus(), std::nullopt);
  folder.write("cpu,cpuacct/job/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(cpus(), 3.0);
}

TEST(AvailableCpus, AffinityOfTheThread) {
  const int all = available_cpus();
  ASSERT_GE(all, 1);
  int of_one = 0;
  std::thread([&] {
    cpu_set_t mask, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &mask)) ++cpu;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    of_one = available_cpus();
  }).join();
  EXPECT_EQ(of_one, 1);
}

}  // namespace
}  // namespace lait
