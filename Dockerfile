# LAIT in a container, for machines with an NVIDIA GPU: the set-up script of a bare machine, then `make install`.
# Not tested: it is written from the steps that are tested on Debian 12, and no image has been built from it yet.
#
#   docker build -t lait .
#   docker run --rm -it --gpus all -v "$PWD:/work" lait lait-train --config mnli_split4.yaml --dry-run
ARG CUDA=13.0.2

FROM nvidia/cuda:${CUDA}-devel-ubuntu24.04 AS build
ENV LAIT_HOME=/opt/lait LAIT_BUILD=/src/build DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Set-up alone first: its layer, the largest by far, is built again only when what it reads changes.
COPY cmake/setup.sh cmake/requirements-*.txt cmake/
RUN cmake/setup.sh
COPY . .
RUN make install PREFIX=/usr/local CMAKE_FLAGS=-DLAIT_TESTS=OFF

# LibTorch's prefix holds the CUDA libraries that programs load, so the small base image is enough. It stays in the
# folder where it was made: the programs name it.
FROM nvidia/cuda:${CUDA}-base-ubuntu24.04
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libyaml-cpp0.8 libicu74 zlib1g gnuplot-nox wordnet-base && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/lait /opt/lait
COPY --from=build /usr/local/bin/lait-* /usr/local/bin/
COPY --from=build /usr/local/lib/liblait_* /usr/local/lib/
COPY --from=build /usr/local/share/lait /usr/local/share/lait
RUN useradd --create-home lait
USER lait
WORKDIR /work
CMD ["lait-train", "--help"]
