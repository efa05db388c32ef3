"""Macrohard's service from Python: submit a requirement, follow what happens, answer, take the product along.

client = Client("http://127.0.0.1:8700", token)
run = client.submit("A to-do list with due dates.")
for told in client.events(run.id, until_done=True):
    print(told.number, told.event["type"])
client.download(run.id, Path("todo.zip"))
"""

from macrohard.client.client import Client, Found, Spending, Told
from macrohard.client.connection import NotAnswering, NotNow, NotThere, ServiceError

__all__ = ["Client", "Found", "NotAnswering", "NotNow", "NotThere", "ServiceError", "Spending", "Told"]
