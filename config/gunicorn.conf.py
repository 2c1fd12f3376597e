"""Several workers on one store: gunicorn -c config/gunicorn.conf.py 'scheduler_app:create_app()'

The service itself is set by the environment: SCHEDULER_DATA, SCHEDULER_TASKS, SCHEDULER_HOSTS and so on. What is given
on gunicorn's command line wins over this file.
"""

bind = "127.0.0.1:8000"

# each worker has an engine of its own, of SCHEDULER_THREADS slots; all are equal, and any may be replaced at any time
workers = 4
worker_class = "gthread"
threads = 16

# at a stop an engine lets its runs finish for 20 s, cancels them for 5 s and gives back the rest: leave it that time
graceful_timeout = 30

# a worker whose main thread says nothing for so long is killed; a task may keep the interpreter to itself for a while
timeout = 60

# a worker that loads the app itself takes new code at a reload (HUP); True saves memory, and works as well
preload_app = False

# no request header says under which path the service is mounted, or who the client is
forwarder_headers = ""
forwarded_allow_ips = ""

# gunicorn would open one in the home folder
control_socket_disable = True
