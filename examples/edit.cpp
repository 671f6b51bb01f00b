// Edits one fact, asks again, and reverts: example_edit MODEL_FOLDER IMAGE QUESTION ANSWER
// PATCH_FILE
#include <iostream>

#include "editing/registry.h"
#include "models/vlm.h"

int main(int argc, char** argv) try {
  if (argc != 6)
    throw std::invalid_argument("usage: example_edit MODEL IMAGE QUESTION ANSWER PATCH");
  const auto vlm = emend::load_vlm(argv[1]);
  const emend::Picture image{argv[2]};
  const std::string prompt = std::string("Question: ") + argv[3] + " Short answer:";
  const std::vector<emend::Query> query = {{image.load(), prompt}};
  std::cout << "before: " << emend::generate(vlm, query).front() << "\n";

  // An editor never writes a weight of the model. It returns a patch.
  const auto editor = emend::make_editor("ft", {{"module", "language"}});
  const auto patch = editor->edit(vlm, {{image, prompt, std::string(" ") + argv[4]}});
  emend::save_patch(argv[5], patch);

  // A patch is applied for one call. Without it, the model is what it was.
  std::cout << "after: " << emend::generate(vlm, query, patch.interventions(vlm)).front() << "\n"
            << "reverted: " << emend::generate(vlm, query).front() << "\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
