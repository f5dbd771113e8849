"""Definitions that generated types are made of."""

AVRO = """{"type": "record", "name": "OrderPlaced", "namespace": "shop.orders", "fields": [
  {"name": "order_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Its id."},
  {"name": "placed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "due", "type": {"type": "int", "logicalType": "date"}},
  {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
  {"name": "note", "type": ["null", "string"], "default": null},
  {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["NEW", "PAID"]}, "default": "NEW"},
  {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
    {"name": "sku", "type": "string"}, {"name": "count", "type": "int", "default": 1}]}}},
  {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}},
  {"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 4}},
  {"name": "delivery", "type": [
    {"type": "record", "name": "Post", "fields": [{"name": "street", "type": "string"}]},
    {"type": "record", "name": "Pickup", "fields": [{"name": "shop", "type": "string"}]}]},
  {"name": "follows", "type": ["null", "OrderPlaced"], "default": null}]}
"""
JSON = """{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "OrderPlaced", "type": "object",
  "required": ["orderId", "placedAt", "total"], "properties": {
    "orderId": {"type": "string", "format": "uuid"}, "placedAt": {"type": "string", "format": "date-time"},
    "total": {"type": "number", "minimum": 0}, "status": {"enum": ["NEW", "PAID"], "default": "NEW"},
    "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "default": []},
    "tags": {"type": "object", "additionalProperties": {"type": "string"}}, "note": {"type": ["string", "null"]}},
  "$defs": {"Line": {"type": "object", "required": ["sku"], "additionalProperties": false,
    "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "default": 1}}}}}
"""
PROTOBUF = """syntax = "proto3";
package shop.orders;
import "google/protobuf/timestamp.proto";
// import "nothing.proto";
import "place/address.proto";
enum Status { STATUS_NEW = 0; STATUS_PAID = 1; }
message OrderPlaced {
  message Line { string sku = 1; int32 count = 2; }
  string order_id = 1;
  google.protobuf.Timestamp placed_at = 2;
  repeated Line lines = 3;
  map<string, string> tags = 4;
  Status status = 5;
  oneof delivery { shop.place.Address post = 6; string pickup = 7; }
}
"""
ADDRESS = 'syntax = "proto3";\npackage shop.place;\nmessage Address { string street = 1; }\n'
