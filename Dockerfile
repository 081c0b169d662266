# The study in a container: CPU, bundled models only.  docker build -t locolib . && docker run -p 8888:8888 locolib
FROM python:3.11-slim

RUN apt-get update && apt-get install -y --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 reader
WORKDIR /home/reader/study
COPY --chown=reader . .
RUN chown reader . 
USER reader
RUN make env
EXPOSE 8888
CMD [".venv/bin/jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "notebooks"]
