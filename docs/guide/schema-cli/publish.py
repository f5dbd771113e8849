from orders import Line

Line(sku="tea", count=2)
Line(sku="tea", count="two")
