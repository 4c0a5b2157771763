drop table catalog_notes;
drop table catalog_examples;
drop table catalog_overlays;
drop table catalog_documents;
drop table catalog_version;
