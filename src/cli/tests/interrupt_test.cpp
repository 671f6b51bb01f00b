#include <unistd.h>

#include <chrono>
#include <csignal>
#include <sstream>
#include <thread>

#include "cli/testing/program.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Whether the process runs the program, and the program handles SIGINT. A shell handles it, too.
bool handles_interrupts(pid_t process) {
  const auto folder = "/proc/" + std::to_string(process);
  std::error_code error;
  if (!std::filesystem::equivalent(folder + "/exe", EMEND_PROGRAM, error)) return false;
  std::ifstream status(folder + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("SigCgt:"))
      return (std::stoull(line.substr(7), nullptr, 16) >> (SIGINT - 1)) & 1;
  return false;
}

TEST_F(ProgramTest, TrainingThatIsStoppedEarlySaysThatNothingWasValidated) {
  for (const std::string json : {"", " --json"}) {
    const auto command = std::string("exec ") + EMEND_PROGRAM + " train -m " + path("model") +
                         " --set validation=1 --set validate=1000000 --restart -o " +
                         path("early.safetensors") + json + " >" + path("out") + " 2>" +
                         path("err");
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("OMP_NUM_THREADS", "1", 1);
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    int status = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
    // The program also handles interrupts briefly while it opens the model. Training has begun when
    // it handles them for some time.
    for (int handled = 0; handled < 20 && std::chrono::steady_clock::now() < deadline &&
                          ::waitpid(child, &status, WNOHANG) == 0;) {
      handled = handles_interrupts(child) ? handled + 1 : 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ::kill(child, SIGINT);
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 130) << read_file(path("err"));
    const auto out = read_file(path("out"));
    if (json.empty()) {
      EXPECT_THAT(out, HasSubstr("nothing was validated yet"));
      EXPECT_THAT(out, Not(HasSubstr("score %")));
    } else {
      EXPECT_EQ(nlohmann::json::parse(out)["checkpoint"], nullptr);
    }
    EXPECT_FALSE(std::filesystem::exists(path("early.safetensors")));
  }
  std::filesystem::remove(path("early.safetensors.state"));
}

TEST_F(ProgramTest, ADamagedStateOfATrainingIsNotAFileToDelete) {
  testing::write_text(path("cut.safetensors.state"), "cut");
  const auto result = run("train -m {}/model --set validation=1 --resume -o {}/cut.safetensors");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("cut.safetensors.state"));
  EXPECT_THAT(result.err, Not(HasSubstr("delete")));
  EXPECT_EQ(read_file(path("cut.safetensors.state")), "cut");
  std::filesystem::remove(path("cut.safetensors.state"));
}

}  // namespace
}  // namespace emend
