# The HDF5 library copies bytes: -O3 takes twice the time of a first build and
# wins nothing here. `.cargo/config.toml` names this file.
set(CMAKE_C_FLAGS_RELEASE "-O1 -DNDEBUG" CACHE STRING "flags of the HDF5 library")
