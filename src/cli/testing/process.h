#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cli/program.h"

// For tests only: runs the program in forks of the test's process. Loading LibTorch takes longer
// than most commands, and a fork does not have to load it again.
namespace emend::testing {

// Starts a fork that ends with the result of `body`. Autograd does not work in a fork if this
// process has used it before.
inline pid_t start_fork(const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int status = body();
  std::cout.flush();
  std::fflush(nullptr);
  ::_exit(status);  // does not remove the folders of the test
}

// Starts `emend WORDS...`, whose output goes to the files `out` and `err`.
inline pid_t start_program(std::vector<std::string> words, const std::string& out,
                           const std::string& err) {
  words.insert(words.begin(), EMEND_PROGRAM);
  return start_fork([&] {
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), 2);
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    return cli::run_program(static_cast<int>(words.size()), arguments.data());
  });
}

// Exit status, or 128 + n if signal n ended the process.
inline int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Waits until the file has `count` lines. Returns false if the process ends before, or after two
// minutes.
inline bool wait_for_lines(pid_t child, const std::string& file, int64_t count) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream stream(file, std::ios::binary);
    if (std::count(std::istreambuf_iterator<char>(stream), {}, '\n') >= count) return true;
    siginfo_t state{};
    if (::waitid(P_PID, static_cast<id_t>(child), &state, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        state.si_pid == child)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

// The words of a command line, as a shell splits it.
inline std::vector<std::string> words_of(const std::string& command_line) {
  wordexp_t expanded{};
  if (::wordexp(command_line.c_str(), &expanded, WRDE_SHOWERR) != 0)
    throw std::runtime_error("a shell cannot split: " + command_line);
  std::vector<std::string> words(expanded.we_wordv, expanded.we_wordv + expanded.we_wordc);
  ::wordfree(&expanded);
  return words;
}

}  // namespace emend::testing
