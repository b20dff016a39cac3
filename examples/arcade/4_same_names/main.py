"""Step 4: two functions of one name. Each lives in its module's namespace; a name of main can mean one of them."""

import arcade
import inventory

print("arcade.report():   ", arcade.report())
print("inventory.report():", inventory.report())

from arcade import report
from inventory import report

print("report():          ", report())
print("it comes from:     ", report.__module__)

from arcade import report as report_points

print("report_points():   ", report_points())
