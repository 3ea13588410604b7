import signal
import threading

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Does a little work now and then, until it is told to stop."

    def handle(self, *args, **options):
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        while not stop.wait(30):
            self.stdout.write("worked")
        self.stdout.write("stopped")
