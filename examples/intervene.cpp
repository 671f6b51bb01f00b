// Prints the norm of the residual stream after each stage, and the answer with and without a change
// of the residual stream: example_intervene MODEL_FOLDER IMAGE QUESTION
#include <iostream>

#include "models/vlm.h"
#include "suites/record.h"

int main(int argc, char** argv) try {
  if (argc != 4) throw std::invalid_argument("usage: example_intervene MODEL IMAGE QUESTION");
  const auto vlm = emend::load_vlm(argv[1]);
  const emend::Query query{emend::Picture{argv[2]}.load(),
                           std::string("Question: ") + argv[3] + " Short answer:"};

  // An observer returns its argument. x: (rows, positions, width).
  emend::Interventions observers;
  for (const auto& stage : vlm.model->stages())
    observers.push_back(emend::Intervention::boundary(stage.name, [&stage](const at::Tensor& x) {
      std::cout << stage.name << ": " << x.norm(2, -1).mean().item<float>() << "\n";
      return x;
    }));
  emend::teacher_force(vlm, {query}, {" red"}, observers);

  // Other transforms change the residual stream. Here, the stages after the second language block
  // get twice its output.
  const auto doubled =
      emend::Intervention::boundary("language.block.1", [](const at::Tensor& x) { return x * 2; });
  std::cout << "answer: " << emend::generate(vlm, {query}).front() << "\n"
            << "with a doubled residual stream: "
            << emend::generate(vlm, {query}, {doubled}).front() << "\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
