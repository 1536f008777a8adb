"""The only place with sockets, files, tasks and clocks: it carries out what `routing` decides and `streaming` reads."""
