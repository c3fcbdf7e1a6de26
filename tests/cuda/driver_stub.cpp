// A libcuda.so.1 for machines without a driver, used only with an emulator of the CUDA runtime.
// LibTorch asks the driver whether a context exists and for the text of errors, and nothing else.
extern "C" {

int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}
int cuDevicePrimaryCtxGetState(int device, unsigned* flags, int* active) {
  *flags = 0;
  *active = 1;
  return 0;
}
int cuGetErrorString(int error, const char** text) {
  *text = "emulated";
  return 0;
}

}  // extern "C"
