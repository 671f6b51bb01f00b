#include "io/processes/slurm.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(Slurm, FirstHost) {
  EXPECT_EQ(slurm_first_host("node7"), "node7");
  EXPECT_EQ(slurm_first_host("node7,node9"), "node7");
  EXPECT_EQ(slurm_first_host("gpu[07-09,12],login"), "gpu07");
  EXPECT_EQ(slurm_first_host("rack[2,5]node[001-004]-ib"), "rack2node001-ib");
  EXPECT_EQ(slurm_first_host("node[3"), "node3");
  EXPECT_EQ(slurm_first_host(""), "");
}

TEST(Slurm, TasksOfNode) {
  EXPECT_EQ(slurm_tasks_of_node("2", 0), 2);
  EXPECT_EQ(slurm_tasks_of_node("2(x3),1", 2), 2);
  EXPECT_EQ(slurm_tasks_of_node("2(x3),1", 3), 1);
  EXPECT_EQ(slurm_tasks_of_node("16,4(x2)", 1), 4);
  EXPECT_EQ(slurm_tasks_of_node("2", 1), 1);
  EXPECT_EQ(slurm_tasks_of_node("", 0), 1);
  EXPECT_EQ(slurm_tasks_of_node("many", 0), 1);
  EXPECT_EQ(slurm_tasks_of_node("2(x3", 0), 1);
}

}  // namespace
}  // namespace emend
