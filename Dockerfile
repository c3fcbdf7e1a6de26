# LAIT in a container, for machines with an NVIDIA GPU: the set-up script, as on a bare machine,
# then `make install`. No image has been built from it yet. Its steps are those that
# `make fresh-machine` runs on a bare Debian 12, and `make lint` checks it.
#
#   docker build -t lait .
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:/work" lait \
#     lait-train --config my.yaml --output runs/mine
#   … -v ~/.cache/huggingface:/hf -e HF_HOME=/hf …      # for models that `hf download` fetched
#
# The server alone, for machines without a GPU:
#
#   docker build --target serve -t lait-serve .
#   docker run --rm -p 127.0.0.1:8080:8080 -v "$PWD/runs/ranking:/model:ro" lait-serve
ARG CUDA=13.0.2

FROM nvidia/cuda:${CUDA}-devel-ubuntu24.04 AS build
ENV LAIT_HOME=/opt/lait LAIT_BUILD=/src/build DEBIAN_FRONTEND=noninteractive
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3-venv && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Set-up comes first and alone: its layer, the largest by far, is rebuilt only when its inputs
# change.
COPY cmake/setup.sh cmake/requirements-*.txt cmake/
COPY tests/requirements*.txt tests/
RUN cmake/setup.sh
COPY . .
RUN make install PREFIX=/usr/local CUDA=1 CMAKE_FLAGS=-DLAIT_TESTS=OFF

# The same without CUDA's libraries.
FROM build AS build-serve
RUN make install PREFIX=/opt/serve CMAKE_FLAGS=-DLAIT_TESTS=OFF

FROM ubuntu:24.04 AS serve
# hadolint ignore=DL3008
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libyaml-cpp0.8 libicu74 libsentencepiece0 zlib1g libcsv3 libjemalloc2 && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build-serve /opt/serve/bin/lait-serve /opt/serve/bin/lait-cache /usr/local/bin/
COPY --from=build-serve /opt/serve/lib/liblait_ops.so /usr/local/lib/
COPY --from=build-serve /opt/serve/lib/lait/torch/lib /usr/local/lib/lait/torch/lib
COPY --from=build-serve /opt/serve/lib/lait/nvidia /usr/local/lib/lait/nvidia
RUN useradd --create-home --uid 10001 lait && install -d -o lait /cache
USER 10001
EXPOSE 8080
# It has no curl.
HEALTHCHECK --start-period=60s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && \
  printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q ok <&3"]
ENTRYPOINT ["lait-serve", "--host", "0.0.0.0"]
CMD ["--checkpoint", "/model", "--cache", "/cache", "--cache-bytes", "10GB"]

# The installed folder holds the CUDA libraries that programs load, so the small base image is
# enough.
FROM nvidia/cuda:${CUDA}-base-ubuntu24.04
# hadolint ignore=DL3008
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libyaml-cpp0.8 libicu74 libsentencepiece0 zlib1g libcsv3 libjemalloc2 gnuplot-nox \
      wordnet-base && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/lait-* /usr/local/bin/
COPY --from=build /usr/local/lib/liblait_*.so /usr/local/lib/
COPY --from=build /usr/local/lib/lait /usr/local/lib/lait
COPY --from=build /usr/local/share/lait /usr/local/share/lait
RUN useradd --create-home --uid 10001 lait
USER 10001
WORKDIR /work
CMD ["lait-train", "--help"]
