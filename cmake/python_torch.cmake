# Finds the torch of the Python interpreter, which the Python package is compiled against. torch's own
# CMake package is not used, because that of a torch with CUDA needs the CUDA toolkit, and emend does
# not.
find_package(Python 3.9 REQUIRED COMPONENTS Interpreter Development.Module)

# -E ignores PYTHONPATH, with which `pip` hides the installed packages from an isolated build.
execute_process(
  COMMAND ${Python_EXECUTABLE} -E -c "import os, torch; print(torch.__version__, os.path.dirname(torch.__file__), int(torch.compiled_with_cxx11_abi()), sep=';')"
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
  OUTPUT_VARIABLE python_torch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${Python_EXECUTABLE} cannot import torch; install torch, and then emend with --no-build-isolation")
endif()
list(GET python_torch 0 EMEND_PYTHON_TORCH)
list(GET python_torch 1 torch_folder)
list(GET python_torch 2 cxx11_abi)
message(STATUS "torch ${EMEND_PYTHON_TORCH} of ${Python_EXECUTABLE}")

set(TORCH_INCLUDE_DIRS ${torch_folder}/include ${torch_folder}/include/torch/csrc/api/include)
set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=${cxx11_abi}")
set(TORCH_LIBRARIES)
foreach(name torch torch_cpu c10 torch_python)
  find_library(torch_${name}_library ${name} PATHS ${torch_folder}/lib NO_DEFAULT_PATH REQUIRED)
  list(APPEND TORCH_LIBRARIES ${torch_${name}_library})
endforeach()
list(POP_BACK TORCH_LIBRARIES EMEND_TORCH_PYTHON)  # only the extension module links libtorch_python
