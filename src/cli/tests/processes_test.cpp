// Runs that several processes share.
#include <sys/wait.h>

#include <csignal>
#include <thread>

#include "cli/testing/program.h"
#include "editing/statistics/moments_file.h"
#include "io/processes/process_group.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class ProcessesProgramTest : public ProgramTest {
 protected:
  static constexpr const char* kBench =
      "bench -m {}/model --limit 6 --editors ft:language,lora --set steps=2 -t 1 ";

  // The lines of samples.jsonl.
  static std::string samples(const std::string& folder) {
    return read_file(path(folder + "/samples.jsonl"));
  }
  static uint16_t free_port() {
    return ProcessGroup({"--processes", 0, 1, 1, "127.0.0.1", 0}).place().port;
  }
  // Runs the program concurrently with another one, with separate output files.
  static Result run_beside(const std::string& arguments, const std::string& before) {
    auto command = before + " EMEND_LOG=error " + EMEND_PROGRAM + " " + arguments;
    for (size_t at; (at = command.find("{}")) != std::string::npos;)
      command.replace(at, 2, folder_->path());
    command += " >" + path("beside.out") + " 2>" + path("beside.err");
    const int status = std::system(command.c_str());
    return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
            read_file(path("beside.out")), read_file(path("beside.err"))};
  }
  // The variables that torchrun sets in one of `size` processes.
  static std::string rank_of(int rank, int size, uint16_t port) {
    return "RANK=" + std::to_string(rank) + " WORLD_SIZE=" + std::to_string(size) +
           " LOCAL_WORLD_SIZE=" + std::to_string(size) +
           " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port) + " ";
  }
};

TEST_F(ProcessesProgramTest, SamplesAreThoseOfOneProcess) {
  for (const std::string mode : {"", "--mode batch --batch-size 2 "}) {
    SCOPED_TRACE(mode);
    const std::string one = "one" + mode.substr(0, 3), two = "two" + mode.substr(0, 3);
    run_json(kBench + mode + "-o '{}/" + one + "'");
    run_json(kBench + mode + "--processes 3 -o '{}/" + two + "'", kNewProcess);
    EXPECT_EQ(samples(two), samples(one));
    EXPECT_EQ(read_file(path(two + "/run.json")), read_file(path(one + "/run.json")));
  }
}

TEST_F(ProcessesProgramTest, ResumesARunOfOneProcess) {
  run_json(std::string(kBench) + "-o {}/whole");
  const auto whole = samples("whole");
  std::filesystem::copy(path("whole"), path("cut"), std::filesystem::copy_options::recursive);
  std::filesystem::resize_file(path("cut/samples.jsonl"), whole.size() / 3);
  run_json(std::string(kBench) + "--processes 2 -o {}/cut", kNewProcess);
  EXPECT_EQ(samples("cut"), whole);
}

TEST_F(ProcessesProgramTest, WorksUnderALauncherAndSurvivesTheDeathOfAProcess) {
  run_json(std::string(kBench) + "-o {}/one");
  const auto port = free_port();
  // Rank 1 is killed when it starts to judge, or a little later.
  std::thread other([&] {
    run_beside(std::string(kBench) + "-o {}/two", "timeout -s KILL 1 env " + rank_of(1, 2, port));
  });
  const auto first = run(std::string(kBench) + "-o {}/two", "env " + rank_of(0, 2, port));
  other.join();
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(samples("two"), samples("one"));
}

TEST_F(ProcessesProgramTest, WorksUnderMpirun) {
  if (std::system("command -v mpirun >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "mpirun (Debian package openmpi-bin or mpich) is not installed";
  const bool open_mpi = std::system("mpirun --version 2>&1 | grep -q 'Open MPI'") == 0;
  run_json(std::string(kBench) + "-o {}/one");
  const auto result =
      run_beside(std::string(kBench) + "-o {}/mpi",
                 "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 MASTER_PORT=" +
                     std::to_string(free_port()) + " mpirun -n 2 " +
                     (open_mpi ? "--oversubscribe --bind-to none" : "-bind-to none") + " env");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(samples("mpi"), samples("one"));
}

TEST_F(ProcessesProgramTest, AProcessWithAnotherModelTakesNoPart) {
  run_json(std::string(kBench) + "-o {}/one");
  const auto port = free_port();
  Result second;
  std::thread other([&] {
    second = run_beside(
        "bench -m {}/other --limit 6 --editors ft:language,lora --set steps=2 -t 1 "
        "-o {}/two",
        "env " + rank_of(1, 2, port));
  });
  const auto first = run(std::string(kBench) + "-o {}/two", "env " + rank_of(0, 2, port));
  other.join();
  EXPECT_NE(second.code, 0);
  EXPECT_THAT(second.err, HasSubstr("config.model.fingerprint is"));
  EXPECT_THAT(second.err, HasSubstr("in rank 1, but"));
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(samples("two"), samples("one"));
}

TEST_F(ProcessesProgramTest, ProcessesWithOtherOptionsStop) {
  const auto both_stop = [&](const std::string& one, const std::string& other,
                             const std::string& message) {
    const auto port = free_port();
    Result second;
    std::thread beside([&] { second = run_beside(other, "env " + rank_of(1, 2, port)); });
    const auto first = run(one, "env " + rank_of(0, 2, port));
    beside.join();
    for (const auto& result : {first, second}) {
      EXPECT_EQ(result.code, 1);
      EXPECT_LE(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    }
    EXPECT_THAT(first.err, HasSubstr(message));
  };
  const std::string stats =
      "stats -m {}/model --suite scenes --sites language -t 1 -o {}/unlike_s --samples ";
  const std::string train =
      "train -m {}/model --module language --set steps=2 --set batch=2 --set validate=2 "
      "--set validation=2 -t 1 -o {}/unlike_t";
  both_stop(stats + "12", stats + "14", "samples is 14 in rank 1, but 12 in rank 0");
  both_stop(train, train + " --seed 3", "seed is 3 in rank 1, but 0 in rank 0");
  both_stop(train, stats + "12", "rank 1: this is emend stats, but rank 0 is emend train");
  both_stop(stats + "12", kBench + std::string("-o {}/unlike_b"),
            "rank 1: this is emend bench, but rank 0 is emend stats");
}

TEST_F(ProcessesProgramTest, RefusesWrongPlacesAndModes) {
  const auto refused = [](const std::string& arguments, const std::string& before,
                          const std::string& message) {
    const auto result = run(arguments, before);
    EXPECT_NE(result.code, 0);
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  };
  const std::string bench = std::string(kBench) + "-o {}/r ";
  refused(bench, "env RANK=2 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1", "RANK is 2, but WORLD_SIZE is 2");
  refused(bench, "env RANK=0 WORLD_SIZE=2", "MASTER_ADDR is not set");
  refused(bench + "--processes 2", "env " + rank_of(0, 2, 1), "and --processes asks for 2 more");
  refused(bench + "--mode sequential --processes 2", "",
          "edits of a sequence depend on each other");
  refused(bench + "--mode batch --save-patches --processes 2", "",
          "several processes cannot save patches");
  const ProcessGroup group({"--processes", 0, 1, 1, "127.0.0.1", 0});
  refused(bench, "env " + rank_of(0, 2, group.place().port), "rank 0 cannot listen at 127.0.0.1:");
  EXPECT_FALSE(std::filesystem::exists(path("r")));
}

TEST_F(ProcessesProgramTest, TrainingHasTheLossesOfOneProcess) {
  const std::string train =
      "train -m {}/model --module language --set steps=4 --set batch=4 --set validate=2 "
      "--set validation=2 --set lr=0.001 -t 1 -o {}/";
  const auto one = run_json(train + "one.safetensors");
  const auto two = run_json(train + "two.safetensors --processes 2", kNewProcess);
  const auto &losses = one["training"]["history"], &shared = two["training"]["history"];
  ASSERT_EQ(losses.size(), 2u);
  ASSERT_EQ(shared.size(), 2u);
  for (size_t i = 0; i < losses.size(); ++i)
    for (const char* loss : {"generality", "image_locality", "text_locality"})
      EXPECT_NEAR(shared[i][loss].get<double>(), losses[i][loss].get<double>(), 1e-4) << loss;
  EXPECT_GT(losses[0]["generality"].get<double>(), 0.1);
  expect_refused(train + "three.safetensors --processes 3", "cannot be divided among 3 processes",
                 kNewProcess);
}

TEST_F(ProcessesProgramTest, StatisticsHaveTheSumsOfOneProcess) {
  const std::string stats = "stats -m {}/model --suite scenes --samples 12 --sites language -t 1 ";
  const auto one = run_json(stats + "-o {}/one.safetensors");
  const auto two = run_json(stats + "--processes 2 -o {}/two.safetensors", kNewProcess);
  EXPECT_EQ(two["sites"], one["sites"]);  // numbers of positions
  const auto a = MomentsFile::open(path("one.safetensors"));
  const auto b = MomentsFile::open(path("two.safetensors"));
  ASSERT_EQ(a.sites(), b.sites());
  ASSERT_FALSE(a.sites().empty());
  for (const auto& site : a.sites())
    EXPECT_TRUE(at::allclose(a.read_packed(site).text, b.read_packed(site).text, 1e-5, 1e-6));
  for (const auto& name : files()) EXPECT_EQ(name.find(".state"), name.npos) << name;
}

}  // namespace
}  // namespace emend
