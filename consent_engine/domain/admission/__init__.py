"""The door: may this order be taken?"""
