#include <lait/predict/predictor.h>

#include <iostream>

int main(int argc, char** argv) {
  lait::Predictor predictor = lait::Predictor::load(argv[1]);
  std::cout << predictor.predict({argv[2], argv[3]}).label << "\n";
}
