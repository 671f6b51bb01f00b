#include "io/processes/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "io/runtime.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
using Values = std::map<std::string, std::string>;

std::optional<ProcessPlace> place(const Values& values) {
  return launched_place([&](const char* name) -> const char* {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : found->second.c_str();
  });
}

TEST(Launcher, ReadsTheVariablesOfEachLauncher) {
  const std::vector<std::pair<std::string, Values>> launchers = {
      {"torchrun", {{"RANK", "2"}, {"WORLD_SIZE", "4"}, {"LOCAL_WORLD_SIZE", "2"}}},
      {"Open MPI",
       {{"OMPI_COMM_WORLD_RANK", "2"},
        {"OMPI_COMM_WORLD_SIZE", "4"},
        {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}},
      {"PMI", {{"PMI_RANK", "2"}, {"PMI_SIZE", "4"}, {"MPI_LOCALNRANKS", "2"}}},
      {"Slurm",
       {{"SLURM_PROCID", "2"},
        {"SLURM_STEP_NUM_TASKS", "4"},
        {"SLURM_STEP_TASKS_PER_NODE", "2(x2)"},
        {"SLURM_NODEID", "1"},
        {"PMI_RANK", "2"},  // srun --mpi=pmi2
        {"PMI_SIZE", "4"}}}};
  for (const auto& [launcher, variables] : launchers) {
    auto values = variables;
    values["MASTER_ADDR"] = "node7";
    values["MASTER_PORT"] = "1234";
    const auto found = place(values);
    ASSERT_TRUE(found) << launcher;
    EXPECT_EQ(found->launcher, launcher);
    EXPECT_EQ(found->rank, 2);
    EXPECT_EQ(found->size, 4);
    EXPECT_EQ(found->local_size, 2);
    EXPECT_EQ(found->cores, 0);
    EXPECT_EQ(found->address, "node7");
    EXPECT_EQ(found->port, 1234);
    values["TORCHELASTIC_USE_AGENT_STORE"] = "True";
    EXPECT_EQ(place(values)->port, 1235);
  }
}

TEST(Launcher, OneProcessNeedsNoGroup) {
  EXPECT_FALSE(place({}));
  EXPECT_FALSE(place({{"RANK", "0"}, {"WORLD_SIZE", "1"}}));
  // A batch script, and the shell of salloc.
  EXPECT_FALSE(place({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}));
  EXPECT_FALSE(place({{"SLURM_PROCID", "0"},
                      {"SLURM_NTASKS", "4"},
                      {"SLURM_STEP_ID", "4294967290"},
                      {"SLURM_STEP_NUM_TASKS", "1"}}));
}

TEST(Launcher, ProcessesOfOneMachineNeedNoAddress) {
  const auto found = place({{"OMPI_COMM_WORLD_RANK", "1"},
                            {"OMPI_COMM_WORLD_SIZE", "2"},
                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address, "127.0.0.1");
  EXPECT_EQ(found->port, 29500);
}

TEST(Launcher, FindsTheFirstHostOfASlurmJob) {
  Values values = {{"SLURM_PROCID", "3"},
                   {"SLURM_STEP_NUM_TASKS", "4"},
                   {"SLURM_STEP_TASKS_PER_NODE", "3,1"},
                   {"SLURM_NODEID", "1"},
                   {"SLURM_STEP_NODELIST", "node[08-09]"}};
  const auto found = place(values);
  EXPECT_EQ(found->address, "node08");
  EXPECT_EQ(found->local_size, 1);
  values["SLURM_STEP_TASKS_PER_NODE"] = "4";
  values["SLURM_NODEID"] = "0";
  EXPECT_EQ(place(values)->address, "127.0.0.1");
}

TEST(Launcher, ReadsTheCoresOfAProcess) {
  Values slurm = {{"SLURM_PROCID", "0"},
                  {"SLURM_STEP_NUM_TASKS", "2"},
                  {"SLURM_STEP_TASKS_PER_NODE", "2"},
                  {"SLURM_CPUS_ON_NODE", "8"}};
  EXPECT_EQ(place(slurm)->cores, 4);
  slurm["SLURM_CPUS_PER_TASK"] = "3";
  EXPECT_EQ(place(slurm)->cores, 3);
  Values mpi = {{"OMPI_COMM_WORLD_RANK", "1"},
                {"OMPI_COMM_WORLD_SIZE", "2"},
                {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  EXPECT_EQ(place(mpi)->cores, 0);
  mpi["OMPI_MCA_orte_bound_at_launch"] = "1";
  EXPECT_EQ(place(mpi)->cores, available_cores());
}

TEST(Launcher, RefusesValuesThatContradictEachOther) {
  const auto refused = [](const Values& values) {
    return error_of([&] { place(values); });
  };
  EXPECT_THAT(refused({{"RANK", "4"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "a"}}),
              HasSubstr("RANK is 4, but WORLD_SIZE is 4"));
  EXPECT_THAT(refused({{"RANK", "x"}, {"WORLD_SIZE", "4"}}), HasSubstr("RANK is 'x'"));
  EXPECT_THAT(refused({{"RANK", "0"}, {"WORLD_SIZE", "0"}}), HasSubstr("WORLD_SIZE is '0'"));
  EXPECT_THAT(refused({{"RANK", "0"}, {"WORLD_SIZE", "2"}}), HasSubstr("MASTER_ADDR is not set"));
  EXPECT_THAT(refused({{"RANK", "0"},
                       {"WORLD_SIZE", "2"},
                       {"MASTER_ADDR", "a"},
                       {"MASTER_PORT", "70000"}}),
              HasSubstr("MASTER_PORT is '70000'"));
}

}  // namespace
}  // namespace emend
