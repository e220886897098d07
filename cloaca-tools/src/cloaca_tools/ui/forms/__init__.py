"""Input of visitors: fields of schemas, texts of forms, the filter of an address."""
